"""The rig-side display: a process of its own, fed by LSL alone.

`packets`, `rings`, `state`, `raster`, `history`, `performance`, `timing` and
`freshness` are plain arrays and numbers; `feed` holds the inlets; `panels` and
`window` the widgets. Importing this package starts neither Qt nor LSL.
"""
