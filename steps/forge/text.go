package forge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Cut shortens text to a number of characters and says that it did.
func Cut(text string, limit int) string {
	const mark = "…"
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	runes := []rune(text)
	return string(runes[:max(limit-1, 0)]) + mark
}

// CutBlock shortens Markdown at the end of a line and says that it did. What
// is cut open (a fenced block) is closed again.
func CutBlock(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	const note = "\n\n_Cut: this is longer than the forge takes._\n"
	runes := []rune(text)
	// Room for the note and for what closes a block.
	kept := string(runes[:max(limit-len(note)-16, 0)])
	if at := strings.LastIndexByte(kept, '\n'); at > 0 {
		kept = kept[:at]
	}
	fence := ""
	for line := range strings.Lines(kept) {
		trimmed := strings.TrimLeft(line, " ")
		ticks := len(trimmed) - len(strings.TrimLeft(trimmed, "`"))
		switch {
		case fence == "" && ticks >= 3:
			fence = trimmed[:ticks]
		case fence != "" && ticks >= len(fence) && strings.TrimSpace(trimmed[ticks:]) == "":
			fence = ""
		}
	}
	if fence != "" {
		kept += "\n" + Cut(fence, 12)
	}
	return kept + note
}

// SameText compares texts as forges keep them: line ends and space at the ends
// may differ.
func SameText(a, b string) bool {
	clean := func(text string) string { return strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")) }
	return clean(a) == clean(b)
}

// commenter is what one comment that is kept up to date needs of a forge.
type commenter interface {
	Comments(ctx context.Context, number int64) ([]Comment, error)
	AddComment(ctx context.Context, number int64, body string) error
	EditComment(ctx context.Context, number, id int64, body string) error
	Limits() Limits
}

// KeepComment says something on a pull request once: a comment made before with
// the same key is changed instead of repeated. The key is not shown.
func KeepComment(ctx context.Context, f commenter, number int64, key, body string) error {
	// A link that nothing refers to: every Markdown hides it, those that show
	// comments of HTML as text too.
	mark := fmt.Sprintf("[//]: # (model-delivery: %s)", commentKey(key))
	body = CutBlock(body, f.Limits().Comment-utf8.RuneCountInString(mark)-2)
	body = mark + "\n\n" + body
	comments, err := f.Comments(ctx, number)
	if err != nil {
		return err
	}
	for _, comment := range comments {
		if !strings.HasPrefix(strings.TrimSpace(comment.Body), mark) {
			continue
		}
		if SameText(comment.Body, body) {
			return nil
		}
		// Somebody else's comment with our mark cannot be changed.
		if err := f.EditComment(ctx, number, comment.ID, body); err == nil || !errors.Is(err, ErrRefused) {
			return err
		}
	}
	return f.AddComment(ctx, number, body)
}

// commentKey keeps a key from ending the mark that it is in.
func commentKey(key string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`()\<>"'`, r) || r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, key)
}

// Missing lists what is wanted and not there, comparing names without case.
func Missing(wanted, there []string) []string {
	var missing []string
	for _, name := range wanted {
		if !slices.ContainsFunc(there, func(other string) bool { return strings.EqualFold(name, other) }) {
			missing = append(missing, name)
		}
	}
	return missing
}
