"""More in a row than the sender's queue holds, by what is read."""

from rtdecode.bridge.bursts import MARK, PAUSE_LOOKS, Bursts


def pause(bursts, looks):
    for _ in range(looks):
        bursts.look_in_vain()


def test_more_in_a_row_than_a_queue_holds_is_said():
    bursts = Bursts()
    for messages in (512, 480, 0):  # read in pieces, without a pause between
        bursts.add(messages)
    assert bursts.told() == {"largest": 992, "over_mark": 0, "mark": MARK}
    pause(bursts, PAUSE_LOOKS)
    for messages in (512, 488, 1, 300):
        bursts.add(messages)
        pause(bursts, PAUSE_LOOKS - 1)
    assert bursts.told() == {"largest": 1301, "over_mark": 1, "mark": MARK}
    pause(bursts, PAUSE_LOOKS)
    bursts.add(5)
    assert bursts.told()["over_mark"] == 1


def test_a_pause_is_one_that_nothing_came_in():
    bursts = Bursts()
    for _ in range(3):
        bursts.add(400)
        pause(bursts, PAUSE_LOOKS - 1)
    assert bursts.told() == {"largest": 1200, "over_mark": 1, "mark": MARK}
