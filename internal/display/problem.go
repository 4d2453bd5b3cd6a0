package display

// Problem is a kind of problem in words for people: what it is, what it means for the user's messages, and what to do.
// Commands stand between backticks.
type Problem struct {
	Title, Meaning, Way string
}

// AccountProblem explains a kind of problem, as the engine calls it, of an account's own place; known is false for one
// that has no words yet.
func AccountProblem(kind string) (words Problem, known bool) {
	words, known = accountProblems()[kind]
	return words, known
}

// MirrorProblem is AccountProblem for a mirror.
func MirrorProblem(kind string) (words Problem, known bool) {
	if words, known = mirrorProblems()[kind]; known {
		return words, true
	}
	return AccountProblem(kind)
}

func accountProblems() map[string]Problem {
	const bySelf = "Nothing has to be done now: every device that holds a copy writes it again."
	return map[string]Problem{
		"blocked": {
			"The place shows nothing of this account any more", "The account has stopped, so that nothing is taken for deleted. What this device holds is safe.",
			"Check that the address and the login are right. If the objects were removed on purpose, `dm3sync repair` writes what this device holds, and `dm3sync forget` starts anew.",
		},
		"rolled back": {
			"The place went back to an older state", "Newer messages are missing there, as after a restored backup.",
			"This device writes again what it holds. Let every other device run, so that each adds what it has; and ask whoever runs the place what happened.",
		},
		"withheld": {
			"The place does not show what was written there", "Another device wrote something that this one is not given.",
			"Let the other devices run once. If the device that wrote it is gone for good, `dm3sync repair` gives it up.",
		},
		"missing": {"An object is gone from the place", "Pages of that time may lack messages until it is back.", bySelf},
		"damaged": {"An object is damaged", "The place gave other bytes than were written there.", bySelf + " If it happens again, the place's disk may be failing."},
		"swapped": {"An object stands in another one's place", "The place mixed up what was written there, or somebody did.", bySelf},
		"other key": {
			"An object is sealed with another key", "It is none of this account's, or its key has changed.",
			"Leave it, if another account uses the same place; else check that all devices use the same wallet.",
		},
		"newer": {"An object was written by a newer version", "This version can't read it, and leaves it alone.", "Update dm3sync on this device."},
		"torn":  {"The place kept something else than it acknowledged", "It was noticed at once, and is written again under another name.", "If it happens again, `dm3sync move` takes the account to another place."},
		"lost": {
			"Messages are missing at the place", "They were there once, and no deletion explains it.",
			"This device offers again what it holds. Let the other devices run; a message that you still have elsewhere can be appended again.",
		},
		"journal":  {"A message in this device's journal can't be read", "It was not delivered yet, and this device's disk did not keep it.", "Append the message again, and check the disk."},
		"cache":    {"A record of this device was damaged", "It is rebuilt; no message is lost by it.", "If it happens again, check the disk."},
		"unlisted": {"A conversation stands in no list", "Other dm3 programs may not show it.", "The next passes put it back."},
	}
}

func mirrorProblems() map[string]Problem {
	const again = "It is copied again from the account's own place by itself."
	return map[string]Problem{
		"gone":        {"The mirror is empty", "Everything that was copied there is gone.", again + " Check that the address is right."},
		"wiped":       {"The mirror was emptied", "Everything that was copied there is gone.", again + " Check that the address is right."},
		"rolled back": {"The mirror went back to an older state", "As after a restored backup.", again},
		"lost":        {"Objects are gone from the mirror", "", again},
		"damaged":     {"Objects at the mirror are damaged", "It gave other bytes than were written there.", again + " If it happens again, its disk may be failing."},
	}
}
