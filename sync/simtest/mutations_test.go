package simtest

func mutations() []mutation { return nil }
