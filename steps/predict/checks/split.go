package checks

import (
	"bytes"
	"io"
	"slices"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/model-delivery/model-delivery/steps/predict/parallel"
)

// splitFrom is how long a file is, in bytes, from which its parts are read side
// by side.
const splitFrom = 128 << 10

// manyChecks is how many checks are read side by side.
const manyChecks = 1000

// readSplit reads a long document in several parts at a time: cut where a line
// begins an item of the list of checks, each part is a list of its own. It returns
// nil where that cannot be proved to give what the whole does; the whole is read
// then. A cut within a text in quotes or within brackets leaves a part that does
// not end, an anchor of another part is not found, and what follows the list is no
// item of it: each fails its part.
func readSplit(data []byte, parts int) *yaml.Node {
	// Line breaks that only YAML knows would shift the lines that are reported, and
	// what ends a document ends more than a part.
	for _, other := range []string{"\r", "\u0085", "\u2028", "\u2029", "\n---", "\n...", "\n%"} {
		if bytes.Contains(data, []byte(other)) {
			return nil
		}
	}
	key := []byte("checks:\n")
	from := len(key)
	if !bytes.HasPrefix(data, key) {
		at := bytes.Index(data, append([]byte("\n"), key...))
		if at < 0 {
			return nil
		}
		from += at + 1
	}
	cuts := itemCuts(data, from, parts)
	if len(cuts) == 0 {
		return nil
	}
	nodes := make([]*yaml.Node, len(cuts))
	var group sync.WaitGroup
	for i := range nodes {
		end := len(data)
		if i+1 < len(cuts) {
			end = cuts[i+1]
		}
		group.Go(func() {
			lines := bytes.Repeat([]byte("\n"), bytes.Count(data[:cuts[i]], []byte("\n")))
			nodes[i] = oneDocument(io.MultiReader(bytes.NewReader(lines), bytes.NewReader(data[cuts[i]:end])))
		})
	}
	group.Wait()
	root := oneDocument(bytes.NewReader(data[:cuts[0]]))
	if root == nil || root.Kind != yaml.MappingNode {
		return nil
	}
	for _, n := range nodes {
		if n == nil || n.Kind != yaml.SequenceNode || n.Anchor != "" || n.Column != nodes[0].Column {
			return nil
		}
		if n != nodes[0] {
			nodes[0].Content = append(nodes[0].Content, n.Content...)
		}
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "checks" && root.Content[i+1].Kind == yaml.ScalarNode && root.Content[i+1].Value == "" {
			root.Content[i+1] = nodes[0]
			return root
		}
	}
	return nil
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
func oneDocument(in io.Reader) *yaml.Node {
	decoder := yaml.NewDecoder(in)
	var doc, second yaml.Node
	if decoder.Decode(&doc) != nil || len(doc.Content) != 1 || decoder.Decode(&second) != io.EOF {
		return nil
	}
	return doc.Content[0]
}

// checks reads the items of the list of checks, many of them side by side.
func (r *reader) checks(list *yaml.Node, d Defaults) []*Check {
	var items []*yaml.Node
	if !r.list(list, "checks", func(_ int, item *yaml.Node) { items = append(items, item) }) {
		return nil
	}
	all := make([]*Check, len(items))
	problems := make([]Problems, len(items)) // of each range, where it begins
	parallel.Ranges(len(items), manyChecks, func(from, to int) {
		part := &reader{file: r.file, dir: r.dir, nodes: r.nodes}
		for i := from; i < to; i++ {
			all[i] = part.check(items[i], index("checks", i), d)
		}
		problems[from] = part.problems
	})
	for _, part := range problems {
		r.problems = append(r.problems, part...)
	}
	r.problems = r.problems[:min(len(r.problems), maxProblems)]
	return slices.DeleteFunc(all, func(c *Check) bool { return c == nil })
}
