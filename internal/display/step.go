package display

// Step gives people words for a step of long work, as the engine, mirrors and jobs name it; a step that is not known stands for
// itself. The words go before an amount, as in "writing again: 3 of 12 objects".
func Step(step string) string {
	switch step {
	case "adopt":
		return "taking over what was found"
	case "append":
		return "reading the messages"
	case "checksums":
		return "comparing checksums"
	case "compare", "verify":
		return "comparing"
	case "mirror":
		return "copying"
	case "export":
		return "writing the file"
	case "fetch":
		return "fetching"
	case "import":
		return "bringing back"
	case "index":
		return "reading for the search"
	case "judge":
		return "looking what is needed"
	case "look":
		return "looking what is there"
	case "refill":
		return "filling up"
	case "remove":
		return "removing what is not needed any more"
	case "repair":
		return "writing again"
	case "reread":
		return "reading once more"
	case "restore":
		return "bringing back what was lost"
	case "sample":
		return "trying some"
	case "scrub":
		return "listing all that is there"
	}
	return step
}

// Unit gives people a word for what is counted: the parts of a history are its conversations, their lists and their stretches
// of time.
func Unit(unit string) string {
	if unit == "containers" {
		return "parts"
	}
	return unit
}
