package pin

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/model-delivery/model-delivery/steps/gitops/source"
)

// change is one change of a document.
type change struct {
	node   *yaml.Node // a scalar to be set; a mapping to insert to or remove from
	value  string
	insert string // key that the mapping gets, with the value
	remove string // key that goes, with its line
}

// splice replaces the bytes from start to end.
type splice struct {
	start, end int
	text       string
}

// edit makes the changes in the text. What comes out is parsed again and
// compared: nothing else may have changed.
func edit(data []byte, changes []change) ([]byte, error) {
	lines := lineStarts(data)
	var splices []splice
	for _, c := range changes {
		s, err := locate(data, lines, c)
		if err != nil {
			return nil, err
		}
		splices = append(splices, s)
	}
	// The last first, so that positions stay right.
	slices.SortStableFunc(splices, func(a, b splice) int { return b.start - a.start })
	out := data
	for i, s := range splices {
		if i > 0 && s.end > splices[i-1].start {
			return nil, errors.New("two changes meet at one place")
		}
		out = slices.Concat(out[:s.start], []byte(s.text), out[s.end:])
	}
	if err := verify(data, out, changes); err != nil {
		return nil, err
	}
	return out, nil
}

func locate(data []byte, lines []int, c change) (splice, error) {
	switch {
	case c.insert != "":
		return insertion(data, lines, c)
	case c.remove != "":
		return removal(data, lines, c)
	}
	start, err := offset(data, lines, c.node)
	if err != nil {
		return splice{}, err
	}
	start, end, err := extent(data, start, c.node)
	if err != nil {
		return splice{}, fmt.Errorf("line %d: %w", c.node.Line, err)
	}
	text := c.value
	if quote := data[start]; quote == '"' || quote == '\'' {
		text = string(quote) + text + string(quote)
	}
	return splice{start: start, end: end, text: text}, nil
}

// lineStarts are the offsets at which lines begin, as the parser counts them.
func lineStarts(data []byte) []int {
	starts := []int{0}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		i += size
		switch r {
		case '\r':
			if i < len(data) && data[i] == '\n' {
				i++
			}
		case '\n', 0x85, 0x2028, 0x2029:
		default:
			continue
		}
		starts = append(starts, i)
	}
	return starts
}

// offset is where a node begins. The parser counts characters.
func offset(data []byte, lines []int, node *yaml.Node) (int, error) {
	if node.Line < 1 || node.Line > len(lines) {
		return 0, fmt.Errorf("there is no line %d", node.Line)
	}
	at := lines[node.Line-1]
	if node.Line == 1 && bytes.HasPrefix(data, []byte("\ufeff")) {
		at += len("\ufeff")
	}
	for range node.Column - 1 {
		if at >= len(data) {
			return 0, fmt.Errorf("line %d has no column %d", node.Line, node.Column)
		}
		_, size := utf8.DecodeRune(data[at:])
		at += size
	}
	return at, nil
}

// extent is where the text of a scalar begins and ends: behind an anchor and a
// tag, with its quotes.
func extent(data []byte, start int, node *yaml.Node) (from, to int, err error) {
	for start < len(data) && (data[start] == '&' || data[start] == '!') {
		end := bytes.IndexAny(data[start:], " \t\r\n")
		if end < 0 {
			break
		}
		start += end
		for start < len(data) && (data[start] == ' ' || data[start] == '\t') {
			start++
		}
	}
	if start >= len(data) {
		return 0, 0, errors.New("the value is not where the parser saw it")
	}
	rest := data[start:]
	switch rest[0] {
	case '|', '>':
		return 0, 0, errors.New("the image is written as a block of text: write it as one word")
	case '\'', '"':
		for i := 1; i < len(rest); i++ {
			switch {
			case rest[0] == '"' && rest[i] == '\\':
				i++
			case rest[i] == rest[0] && rest[0] == '\'' && i+1 < len(rest) && rest[i+1] == '\'':
				i++
			case rest[i] == rest[0]:
				return start, start + i + 1, nil
			}
		}
		return 0, 0, errors.New("the image's quote does not end")
	}
	if node.Value == "" || !bytes.HasPrefix(rest, []byte(node.Value)) {
		return 0, 0, fmt.Errorf("image %q is not written as one plain or quoted word", node.Value)
	}
	return start, start + len(node.Value), nil
}

// insertion puts a key before the first one of a mapping.
func insertion(data []byte, lines []int, c change) (splice, error) {
	if len(c.node.Content) == 0 {
		return splice{}, fmt.Errorf("line %d: an empty mapping gets no %s", c.node.Line, c.insert)
	}
	first := c.node.Content[0]
	at, err := offset(data, lines, first)
	if err != nil {
		return splice{}, err
	}
	if c.node.Style&yaml.FlowStyle != 0 {
		quote := ""
		if data[at] == '"' {
			quote = `"` // JSON
		}
		return splice{start: at, end: at, text: quote + c.insert + quote + ": " + quote + c.value + quote + ", "}, nil
	}
	end := "\n"
	if i := bytes.IndexByte(data, '\n'); i > 0 && data[i-1] == '\r' {
		end = "\r\n"
	}
	// The key that was first goes to a line of its own, as deep as it was.
	indent := strings.Repeat(" ", first.Column-1)
	return splice{start: at, end: at, text: c.insert + ": " + c.value + end + indent}, nil
}

// removal takes a key and its scalar away.
func removal(data []byte, lines []int, c change) (splice, error) {
	for i := 0; i+1 < len(c.node.Content); i += 2 {
		key, value := c.node.Content[i], c.node.Content[i+1]
		if key.Value != c.remove {
			continue
		}
		if value.Kind != yaml.ScalarNode {
			return splice{}, fmt.Errorf("line %d: %s is no single value", value.Line, c.remove)
		}
		start, err := offset(data, lines, key)
		if err != nil {
			return splice{}, err
		}
		at, err := offset(data, lines, value)
		if err != nil {
			return splice{}, err
		}
		if _, _, err := extent(data, at, value); err != nil {
			return splice{}, fmt.Errorf("line %d: %w", value.Line, err)
		}
		var end int
		last := i+2 == len(c.node.Content)
		switch {
		case c.node.Style&yaml.FlowStyle != 0 && !last:
			// With the comma and what is before the next key.
			if end, err = offset(data, lines, c.node.Content[i+2]); err != nil {
				return splice{}, err
			}
		case c.node.Style&yaml.FlowStyle != 0 || i == 0 && last:
			return splice{}, fmt.Errorf("line %d: %s cannot be taken out: write the entry on lines of its own", key.Line, c.remove)
		case i == 0:
			// The next key comes to stand behind the dash of the entry.
			if end, err = offset(data, lines, c.node.Content[2]); err != nil {
				return splice{}, err
			}
			if strings.TrimSpace(string(data[at:end])) != value.Value && bytes.ContainsRune(data[at:end], '#') {
				return splice{}, fmt.Errorf("line %d: %s has a comment: take it out by hand", key.Line, c.remove)
			}
		default:
			// The whole line, with a comment behind the value: it was about the tag.
			start = lines[key.Line-1]
			end = len(data)
			if value.Line < len(lines) {
				end = lines[value.Line]
			}
		}
		return splice{start: start, end: end}, nil
	}
	return splice{}, fmt.Errorf("line %d: there is no %s", c.node.Line, c.remove)
}

// verify makes sure that the changes, and nothing else, were made.
func verify(before, after []byte, changes []change) error {
	want, err := source.Documents(before)
	if err != nil {
		return err
	}
	got, err := source.Documents(after)
	if err != nil {
		return fmt.Errorf("setting the image made it unreadable: %w", err)
	}
	at := map[[2]int][]change{}
	for _, c := range changes {
		key := [2]int{c.node.Line, c.node.Column}
		at[key] = append(at[key], c)
	}
	if len(want) != len(got) {
		return errors.New("setting the image changed the number of documents")
	}
	for i := range want {
		if err := compare(want[i], got[i], at); err != nil {
			return fmt.Errorf("setting the image changed something else: %w", err)
		}
	}
	return nil
}

// compare goes through two documents side by side.
func compare(want, got *yaml.Node, changes map[[2]int][]change) error {
	kept := want.Content
	value := want.Value
	for _, c := range changes[[2]int{want.Line, want.Column}] {
		switch {
		case c.insert != "" && want.Kind == yaml.MappingNode:
			kept = slices.Concat([]*yaml.Node{{Kind: yaml.ScalarNode, Value: c.insert}, {Kind: yaml.ScalarNode, Value: c.value}}, kept)
		case c.remove != "" && want.Kind == yaml.MappingNode:
			for i := 0; i+1 < len(kept); i += 2 {
				if kept[i].Value == c.remove {
					kept = slices.Concat(kept[:i], kept[i+2:])
					break
				}
			}
		case c.insert == "" && c.remove == "" && want.Kind == yaml.ScalarNode:
			value = c.value
		}
	}
	switch {
	case want.Kind != got.Kind || value != got.Value || want.Anchor != got.Anchor:
		return fmt.Errorf("line %d has %q in place of %q", got.Line, got.Value, value)
	case len(kept) != len(got.Content):
		return fmt.Errorf("line %d has %d entries in place of %d", got.Line, len(got.Content), len(kept))
	case want.Kind == yaml.AliasNode:
		return nil
	}
	for i := range kept {
		if err := compare(kept[i], got.Content[i], changes); err != nil {
			return err
		}
	}
	return nil
}
