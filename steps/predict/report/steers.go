package report

import "unicode"

// Steers tells whether a character would steer a terminal, or turn around the
// order in which text is shown.
func Steers(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
