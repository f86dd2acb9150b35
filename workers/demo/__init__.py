"""`dripline demo`: the shipped rules over forty-five recorded days, on a fast clock, checked against what they say.

`record` tells how the recording was made, `run` plays it, `expect` works out what should have gone out, `report` tells
what happened.
"""
