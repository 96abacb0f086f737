package checks

import (
	"bytes"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"go.yaml.in/yaml/v3"
)

// splitFrom is how long a file is, in bytes, from which it is read in parts.
const splitFrom = 128 << 10

// partLength is about how long a part is, in bytes. Its nodes take a hundred
// times as much memory, until its checks are made.
const partLength = 48 << 10

// parts are a document whose list of checks is cut where a line begins an item of
// it, so that each part is a list of its own. They give what the whole does, or
// one of them cannot be read: a cut within a text in quotes or within brackets
// leaves a part that does not end, an anchor of another part is not found, and
// what follows the list is no item of it.
type parts struct {
	data []byte
	// cuts are where the parts begin; the last is where data ends.
	cuts []int
}

// split cuts a document into n parts, or fewer. It returns false where it cannot
// be told what cuts would mean.
func split(data []byte, n int) (parts, bool) {
	// Line breaks that only YAML knows would shift the lines that are reported, and
	// what ends a document ends more than a part.
	for _, other := range []string{"\r", "\u0085", "\u2028", "\u2029", "\n---", "\n...", "\n%"} {
		if bytes.Contains(data, []byte(other)) {
			return parts{}, false
		}
	}
	key := []byte("checks:\n")
	from := len(key)
	if !bytes.HasPrefix(data, key) {
		at := bytes.Index(data, append([]byte("\n"), key...))
		if at < 0 {
			return parts{}, false
		}
		from += at + 1
	}
	cuts := itemCuts(data, from, n)
	if len(cuts) == 0 {
		return parts{}, false
	}
	return parts{data: data, cuts: append(cuts, len(data))}, true
}

func (p parts) count() int { return len(p.cuts) - 1 }

// head is the document with an empty list of checks, nil when what stands before
// the list is none.
func (p parts) head() *yaml.Node {
	root := oneDocument(p.data[:p.cuts[0]])
	if root == nil || root.Kind != yaml.MappingNode || len(root.Content) == 0 {
		return nil
	}
	// The list follows what stands last.
	key, list := root.Content[len(root.Content)-2], root.Content[len(root.Content)-1]
	if key.Value != "checks" || list.Kind != yaml.ScalarNode || list.Value != "" {
		return nil
	}
	return root
}

// list is the list that part i is, and in how many lines of data it begins to
// count; nil when it is no list of its own.
func (p parts) list(i int) (list *yaml.Node, lines int) {
	list = oneDocument(p.data[p.cuts[i]:p.cuts[i+1]])
	if list == nil || list.Kind != yaml.SequenceNode || list.Anchor != "" {
		return nil, 0
	}
	return list, bytes.Count(p.data[:p.cuts[i]], []byte("\n"))
}

// inParts makes the checks of a long document, some parts at a time: the nodes of
// those that are done are let go. It returns nil where that gives not what the
// whole does, and where anything is wrong: the whole tells what.
func (r *reader) inParts(data []byte) *File {
	p, ok := split(data, len(data)/partLength)
	if !ok {
		return nil
	}
	root := p.head()
	if root == nil {
		return nil
	}
	f, _ := r.head(root)
	if len(r.problems) > 0 {
		return nil
	}
	lists := make([][]*Check, p.count())
	var next atomic.Int64
	var failed atomic.Bool
	var group sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(lists) && !failed.Load(); i = int(next.Add(1)) - 1 {
				list, lines := p.list(i)
				if list == nil {
					failed.Store(true)
					return
				}
				part := &reader{file: r.file, dir: r.dir, nodes: r.nodes}
				lists[i] = part.checks(list, f.Defaults)
				for _, c := range lists[i] {
					c.Line += lines
				}
				if len(part.problems) > 0 {
					failed.Store(true)
				}
			}
		})
	}
	group.Wait()
	if failed.Load() {
		return nil
	}
	f.Checks = slices.Concat(lists...)
	r.references(f)
	if len(r.problems) > 0 {
		return nil
	}
	f.Digest = r.digest(data, f)
	return f
}

// itemCuts finds where a list, which begins at from, may be cut into parts of
// about the same length. None: it is no list of the usual form.
func itemCuts(data []byte, from, parts int) []int {
	for from < len(data) {
		line, _, _ := bytes.Cut(data[from:], []byte("\n"))
		if text := bytes.TrimLeft(line, " "); len(text) > 0 && text[0] != '#' {
			break
		}
		from += len(line) + 1
	}
	if from >= len(data) {
		return nil
	}
	indent := len(data[from:]) - len(bytes.TrimLeft(data[from:], " "))
	item := append(bytes.Repeat([]byte(" "), indent), "- "...)
	if !bytes.HasPrefix(data[from:], item) {
		return nil
	}
	cuts := []int{from}
	next := append([]byte("\n"), item...)
	for i := 1; i < parts; i++ {
		target := max(from+(len(data)-from)/parts*i, cuts[len(cuts)-1])
		at := bytes.Index(data[target:], next)
		if at < 0 {
			break
		}
		cuts = append(cuts, target+at+1)
	}
	return cuts
}

// oneDocument reads a text that is one document and nothing else; nil: it is not.
func oneDocument(data []byte) *yaml.Node {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if decoder.Decode(&doc) != nil || len(doc.Content) != 1 || decoder.Decode(&second) != io.EOF {
		return nil
	}
	return doc.Content[0]
}
