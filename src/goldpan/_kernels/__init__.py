"""The few hot loops in C++; every kernel has a NumPy twin that answers the same."""

INTERFACE = 1  # of the compiled module: raised here and in native.cpp when a function takes or returns something else
