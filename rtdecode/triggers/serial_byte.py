"""A byte on a serial port for every trigger: Arduino, Teensy, Bpod."""

from __future__ import annotations

from collections.abc import Mapping

from rtdecode.errors import UserError
from rtdecode.rig import SerialSection
from rtdecode.triggers.errors import OutputError


class SerialByte:
    """A port that is open from before the first window on.

    Opening a port restarts some boards (an Arduino Uno takes two seconds), so it
    is opened once and kept.

    Parameters
    ----------
    settings : SerialSection

    Raises
    ------
    UserError
        If pyserial is missing or the port cannot be opened.
    """

    def __init__(self, settings: SerialSection) -> None:
        try:
            import serial
        except ImportError as error:
            raise UserError(
                "outputs.serial expects pyserial, found none: pip install 'rtdecode[serial]'"
            ) from error
        self.name = "serial"
        self._byte = bytes([settings.byte])
        self._failures = (serial.SerialException, OSError)
        try:
            self._port = serial.Serial(
                settings.port,
                settings.baud,
                timeout=0,
                write_timeout=settings.timeout_ms / 1000,
                exclusive=True,
            )
        except (*self._failures, ValueError) as error:
            raise UserError(
                f"expected a serial port at outputs.serial.port {settings.port!r}, found "
                f"{error}: see that the board is plugged in and no other program has it"
            ) from error

    def fire(self, event: Mapping[str, object]) -> None:
        """Send the byte.

        Raises
        ------
        OutputError
            If the port is gone or does not take it in time.
        """
        try:
            written = self._port.write(self._byte)
        except self._failures as error:
            raise OutputError(f"serial port {self._port.port}: {error}") from error
        if written != 1:
            raise OutputError(f"serial port {self._port.port} took no byte")

    def trouble(self) -> str:
        """Nothing goes wrong between two bytes that could be seen."""
        return ""

    def close(self) -> None:
        """Close the port."""
        self._port.close()
