package predict

import "strings"

// truth reads what servers and files write for true and false: the word, as
// JSON and Python spell it, or a number. negation is the other, spelled alike.
func truth(text string) (is bool, negation string, ok bool) {
	for _, pair := range [][2]string{{"false", "true"}, {"False", "True"}, {"FALSE", "TRUE"}, {"0", "1"}} {
		switch text {
		case pair[0]:
			return false, pair[1], true
		case pair[1]:
			return true, pair[0], true
		}
	}
	return false, "", false
}

// spelled writes an answer's boolean as the expected one is written, so that
// True, true and 1 are one class. Anything else stays as it is.
func spelled(got, expected string) string {
	is, _, ok := truth(got)
	want, negation, both := truth(expected)
	switch {
	case !ok || !both:
		return got
	case is == want:
		return expected
	}
	return negation
}

// booleanAmong is the name that spells a boolean in another way.
func booleanAmong(names []string, text string) (string, bool) {
	if !strings.EqualFold(text, "true") && !strings.EqualFold(text, "false") {
		return "", false
	}
	for _, name := range names {
		if strings.EqualFold(name, text) {
			return name, true
		}
	}
	return "", false
}
