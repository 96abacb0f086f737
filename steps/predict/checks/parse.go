package checks

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/model-delivery/model-delivery/steps/predict/match"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
)

// Bounds of files, in bytes. One of checks that has to be read whole takes
// some seventy times as much memory while it is.
const (
	MaxChecks = 8 << 20
	MaxFile   = 32 << 20 // of a request, contract or schema
)

// Read reads a file of checks and looks at the files that it names. When
// anything is wrong the error is [Problems].
func Read(path string) (*File, error) {
	data, err := readBounded(path, MaxChecks)
	if err != nil {
		return nil, Problems{{File: path, What: err.Error()}}
	}
	f, problems := Parse(path, filepath.Dir(path), data)
	if len(problems) > 0 {
		return nil, problems
	}
	return f, nil
}

func readBounded(path string, limit int) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, pathError(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, int64(limit)+1))
	if err != nil {
		return nil, pathError(err)
	}
	if len(data) > limit {
		return nil, fmt.Errorf("is larger than %d bytes", limit)
	}
	return data, nil
}

// pathError leaves the path out, which stands before the message already.
func pathError(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Errorf("cannot be read: %w", e.Err)
	}
	return err
}

// Parse reads checks from data. Files that they name are looked for in dir.
func Parse(path, dir string, data []byte) (*File, Problems) {
	if len(data) >= splitFrom {
		if f := newReader(path, dir).inParts(data); f != nil {
			return f, nil
		}
	}
	r := newReader(path, dir)
	root := r.document(data)
	if root == nil {
		return nil, r.problems
	}
	f, list := r.head(root)
	if list == nil {
		return nil, r.problems
	}
	f.Checks = r.checks(list, f.Defaults)
	if len(f.Checks) == 0 && len(r.problems) == 0 {
		r.problem(list, "checks", "is empty; a file without checks proves nothing")
	}
	r.references(f)
	f.Digest = r.digest(data, f)
	return f, r.problems
}

// head reads everything but the checks, and hands back their list; nil: there is
// none.
func (r *reader) head(root *yaml.Node) (*File, *yaml.Node) {
	f := &File{Path: r.file, Dir: r.dir}
	known := []string{"apiVersion", "kind", "defaults", "checks"}
	var version, kind string
	var list *yaml.Node
	if !r.each(root, "", known, func(key string, v *yaml.Node) bool {
		switch key {
		case "apiVersion":
			version = r.choice(v, key, APIVersion)
		case "kind":
			kind = r.choice(v, key, Kind)
		case "defaults":
			f.Defaults = r.defaults(v)
		case "checks":
			list = v
		default:
			return false
		}
		return true
	}) {
		return f, nil
	}
	for _, missing := range []struct {
		field, want string
		there       bool
	}{{"apiVersion", APIVersion, version != ""}, {"kind", Kind, kind != ""}} {
		if !missing.there && !r.complained(missing.field) {
			r.problem(root, missing.field, "is missing; write %s: %s", missing.field, missing.want)
		}
	}
	f.Defaults.SaysProtocol = f.Defaults.Protocol != ""
	if f.Defaults.Protocol == "" {
		f.Defaults.Protocol = seldonclient.Seldon
	}
	if f.Defaults.Transport == "" {
		f.Defaults.Transport = seldonclient.REST
	}
	if f.Defaults.Timeout == 0 {
		f.Defaults.Timeout = 5 * time.Second
	}
	if list == nil {
		r.problem(root, "checks", "is missing; a list of checks is needed")
	}
	return f, list
}

func (r *reader) complained(where string) bool {
	for _, p := range r.problems {
		if p.Where == where {
			return true
		}
	}
	return false
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// document reads the one document that data has to be.
func (r *reader) document(data []byte) *yaml.Node {
	if at := notUTF8(data); at >= 0 {
		line := bytes.Count(data[:at], []byte("\n")) + 1
		r.problem(&yaml.Node{Line: line, Column: at - bytes.LastIndexByte(data[:at], '\n')}, "", "is not UTF-8; save it as that (UTF-16 and others are not read)")
		return nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) || (err == nil && len(doc.Content) == 0) {
		r.problem(nil, "", "is empty")
		return nil
	}
	if err == nil {
		if err = decoder.Decode(&second); err == nil {
			r.problem(&second, "", "is a second document; one file holds one")
			return nil
		} else if errors.Is(err, io.EOF) {
			return doc.Content[0]
		}
	}
	at := &yaml.Node{Line: 1, Column: 1}
	text := err.Error()
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		if line, convErr := strconv.Atoi(m[1]); convErr == nil {
			at.Line = line
		}
		text = text[len(m[0]):]
	}
	r.problem(at, "", "not YAML: %s", text)
	return nil
}

// notUTF8 is where data is no text in UTF-8; -1: it is. A NUL is in none, but in
// every other byte of UTF-16.
func notUTF8(data []byte) int {
	for at := 0; at < len(data); {
		c, size := utf8.DecodeRune(data[at:])
		if c == 0 || (c == utf8.RuneError && size == 1) {
			return at
		}
		at += size
	}
	return -1
}

func (r *reader) defaults(n *yaml.Node) Defaults {
	var d Defaults
	known := []string{"protocol", "transport", "timeout", "tolerance", "model", "version", "input", "datatype", "classes", "headers"}
	r.each(n, "defaults", known, func(key string, v *yaml.Node) bool {
		where := "defaults." + key
		switch key {
		case "protocol":
			d.Protocol = r.protocol(v, where)
		case "transport":
			d.Transport = r.transport(v, where)
		case "timeout":
			d.Timeout = r.duration(v, where)
		case "tolerance":
			d.Tolerance = r.tolerance(v, where)
		case "model":
			d.Model = r.text(v, where)
		case "version":
			d.Version = r.text(v, where)
		case "input":
			d.Input = r.text(v, where)
		case "datatype":
			d.Datatype = r.choice(v, where, "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BF16", "BYTES")
		case "classes":
			d.Classes = r.texts(v, where)
		case "headers":
			d.Headers = r.headers(v, where)
		default:
			return false
		}
		return true
	})
	return d
}

func (r *reader) protocol(n *yaml.Node, where string) seldonclient.Protocol {
	v := r.choice(n, where, "seldon", "v2", "kfserving", "tensorflow")
	if v == "kfserving" {
		return seldonclient.V2
	}
	return seldonclient.Protocol(v)
}

func (r *reader) transport(n *yaml.Node, where string) seldonclient.Transport {
	return seldonclient.Transport(r.choice(n, where, "rest", "grpc"))
}

func (r *reader) tolerance(n *yaml.Node, where string) match.Tolerance {
	var t match.Tolerance
	r.each(n, where, []string{"absolute", "relative"}, func(key string, v *yaml.Node) bool {
		f := r.number(v, join(where, key))
		if f < 0 {
			r.problem(v, join(where, key), "is negative")
		}
		switch key {
		case "absolute":
			t.Absolute = f
		case "relative":
			t.Relative = f
		default:
			return false
		}
		return true
	})
	return t
}

func (r *reader) headers(n *yaml.Node, where string) http.Header {
	out := http.Header{}
	v := r.resolve(n, where)
	if v == nil || v.Kind != yaml.MappingNode {
		r.problem(n, where, "is no mapping from header names to values")
		return out
	}
	for i := 0; i+1 < len(v.Content); i += 2 {
		name := r.text(v.Content[i], where)
		text := r.text(v.Content[i+1], join(where, name))
		switch {
		case SecretHeader(name):
			r.problem(v.Content[i], join(where, name), "is a secret by its name; give it to the command in a file, with --header-file or --bearer-token-file")
		case strings.ContainsAny(name, " \t\r\n:") || name == "" || strings.ContainsAny(text, "\r\n"):
			r.problem(v.Content[i], join(where, name), "is no header")
		}
		out.Add(name, text)
	}
	return out
}

// digest covers the checks and what they read.
func (r *reader) digest(data []byte, f *File) string {
	sum := sha256.New()
	sum.Write(data)
	for _, path := range f.Files() {
		fmt.Fprintf(sum, "\n%s\n", filepath.ToSlash(path))
		file, err := os.Open(filepath.Join(f.Dir, path))
		if err != nil {
			continue // reported where it is named
		}
		io.Copy(sum, file)
		file.Close()
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil))
}
