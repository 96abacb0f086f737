package chart

import (
	"errors"
	"strings"
)

// maxTemplateError bounds what is told of a template's error, in bytes. One
// that includes itself tells of each of the many times.
const maxTemplateError = 2 << 10

// cut keeps the beginning of a long error, which names the template, and its
// end, which says what is wrong.
func cut(err error) error {
	text := err.Error()
	if len(text) <= maxTemplateError {
		return err
	}
	const part = maxTemplateError / 2
	return errors.New(strings.ToValidUTF8(text[:part], "") + " […] " + strings.ToValidUTF8(text[len(text)-part:], ""))
}
