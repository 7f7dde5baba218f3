"""The few hot loops in C++; every kernel has a NumPy twin that answers the same."""
