package report

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Finding is one thing that is wrong.
type Finding struct {
	Stage    Stage  `json:"stage"`
	Message  string `json:"message"`
	Where    string `json:"where,omitempty"`
	Expected string `json:"expected,omitempty"`
	Got      string `json:"got,omitempty"`
	Count    int    `json:"count,omitempty"` // values that differ
	Total    int    `json:"total,omitempty"` // values compared
	Hint     string `json:"hint,omitempty"`  // what to try next
}

// Text is the finding in one line: its message, and what that does not already
// say of where it is, what was expected and what came.
func (f Finding) Text() string {
	var more []string
	for _, part := range [][2]string{{"at ", f.Where}, {"expected ", f.Expected}, {"got ", f.Got}} {
		if part[1] != "" && !mentions(f.Message, part[1]) {
			more = append(more, part[0]+part[1])
		}
	}
	if len(more) == 0 {
		return f.Message
	}
	return f.Message + " (" + strings.Join(more, ", ") + ")"
}

// mentions tells whether a text has another in it, and not as a part of words:
// version a is not told by "another".
func mentions(text, part string) bool {
	first, _ := utf8.DecodeRuneInString(part)
	last, _ := utf8.DecodeLastRuneInString(part)
	for from := 0; ; {
		at := strings.Index(text[from:], part)
		if at < 0 {
			return false
		}
		start, end := from+at, from+at+len(part)
		before, _ := utf8.DecodeLastRuneInString(text[:start])
		after, _ := utf8.DecodeRuneInString(text[end:])
		if !(inWord(before) && inWord(first)) && !(inWord(last) && inWord(after)) {
			return true
		}
		from = start + 1
	}
}

func inWord(r rune) bool {
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r))
}
