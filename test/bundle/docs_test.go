package bundle_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	pipelinev1 "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"

	"github.com/model-delivery/model-delivery/test/bundle"
)

// page is a page of documentation, with its code apart from its prose.
type page struct {
	file string // relative to the repository
	text string
	// blocks are what stands in fences or is indented by four, spans is code
	// within prose.
	blocks, spans []string
	prose         string // without blocks
}

var (
	span = regexp.MustCompile("`([^`\n]+)`")
	link = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

// pages reads every Markdown file of the repository.
func pages(t *testing.T) []page {
	t.Helper()
	var all []page
	err := filepath.WalkDir(bundle.Root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (strings.HasPrefix(name, ".") && len(name) > 2 || name == "build") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".md" {
			return nil
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(bundle.Root, path)
		if err != nil {
			return err
		}
		all = append(all, read(filepath.ToSlash(name), string(data)))
		return nil
	})
	if err != nil || len(all) < 10 {
		t.Fatalf("%d pages, %v", len(all), err)
	}
	return all
}

func read(file, text string) page {
	p := page{file: file, text: text}
	var prose, block strings.Builder
	fence := ""
	flush := func() {
		if block.Len() > 0 {
			p.blocks = append(p.blocks, block.String())
			block.Reset()
		}
	}
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		switch {
		case fence != "" && trimmed == fence:
			fence = ""
			flush()
		case fence != "":
			block.WriteString(line)
		case strings.HasPrefix(trimmed, "```"):
			flush()
			fence = "```"
		case strings.HasPrefix(line, "    "):
			block.WriteString(line[4:])
		case trimmed == "" && block.Len() > 0:
			block.WriteString(line)
		default:
			flush()
			prose.WriteString(line)
		}
	}
	flush()
	p.prose = prose.String()
	for _, match := range span.FindAllStringSubmatch(p.prose, -1) {
		p.spans = append(p.spans, match[1])
	}
	return p
}

// anchors are the fragments that the headings of a page make.
func anchors(text string) []string {
	var found []string
	for line := range strings.Lines(text) {
		if heading := strings.TrimLeft(line, "#"); heading != line && strings.HasPrefix(heading, " ") {
			slug := strings.Map(func(r rune) rune {
				switch {
				case r == ' ':
					return '-'
				case r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z':
					return r
				}
				return -1
			}, strings.ToLower(strings.TrimSpace(heading)))
			found = append(found, slug)
		}
	}
	return found
}

func TestLinksLead(t *testing.T) {
	t.Parallel()
	for _, p := range pages(t) {
		for _, match := range link.FindAllStringSubmatch(p.prose, -1) {
			target := match[1]
			if strings.HasPrefix(target, "https://") {
				continue
			}
			name, anchor, _ := strings.Cut(target, "#")
			path := filepath.Join(bundle.Root, filepath.Dir(p.file), name)
			if name == "" {
				path = filepath.Join(bundle.Root, p.file)
			}
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s: the link %s leads nowhere", p.file, target)
				continue
			}
			if anchor == "" {
				continue
			}
			data, err := os.ReadFile(path)
			if err != nil || !slices.Contains(anchors(string(data)), anchor) {
				t.Errorf("%s: %s has no heading for the link %s (%v)", p.file, name, target, err)
			}
		}
	}
}

// tree is the repository's directories whose paths a page may name.
var tree = regexp.MustCompile(`^(tasks|pipelines|triggers|cmd|steps|models|test|docs)(/[a-z0-9_.-]+)+/?$`)

// TestPathsExist: paths in code are there.
func TestPathsExist(t *testing.T) {
	t.Parallel()
	for _, p := range pages(t) {
		words := slices.Clone(p.spans)
		for _, block := range p.blocks {
			for word := range strings.FieldsSeq(block) {
				if _, value, ok := strings.Cut(word, "="); ok {
					word = value // name=source,volumeClaimTemplateFile=…
					if i := strings.LastIndex(word, "="); i >= 0 {
						word = word[i+1:]
					}
				}
				words = append(words, strings.TrimPrefix(word, "./"))
			}
		}
		for _, word := range words {
			// In a README of a folder, paths start there or at the root.
			if !tree.MatchString(word) || strings.HasPrefix(word, "models/") && strings.Contains(p.file, "migrate") {
				continue
			}
			_, err := os.Stat(filepath.Join(bundle.Root, word))
			_, own := os.Stat(filepath.Join(bundle.Root, filepath.Dir(p.file), word))
			if err != nil && own != nil {
				t.Errorf("%s: there is no %s", p.file, word)
			}
		}
	}
}

// named finds "param `x`", "results `x`, `y` and `z`", "Task `x`" in prose.
var named = regexp.MustCompile("\\b([Pp]aram|[Rr]esult|[Ww]orkspace|Task|Pipeline|EventListener|TriggerBinding|Secret|Service)s? ((?:`[^`]+`(?:, and |, or |, | and | or )?)+)")

// TestNamesInProseExist: what a page calls a param is a param of some Task or
// Pipeline, and so on. In the README of one it is one of its own.
func TestNamesInProseExist(t *testing.T) {
	t.Parallel()
	objects := load(t, "tasks", "pipelines")
	triggers := readAll(t, "triggers")
	for _, p := range pages(t) {
		known := vocabulary(objects, "")
		if dir := filepath.Dir(p.file); strings.HasPrefix(dir, "tasks/") || strings.HasPrefix(dir, "pipelines/") {
			own := vocabulary(objects, dir)
			known["param"], known["workspace"] = own["param"], own["workspace"]
		}
		for _, match := range named.FindAllStringSubmatch(strings.ReplaceAll(p.prose, "\n", " "), -1) {
			kind := match[1]
			for _, name := range span.FindAllStringSubmatch(match[2], -1) {
				switch kind {
				case "EventListener", "TriggerBinding", "Secret":
					if !strings.Contains(triggers, "{name: "+name[1]) && !strings.Contains(triggers, "name: "+name[1]+"\n") && !strings.Contains(triggers, "ecretName: "+name[1]) {
						t.Errorf("%s: the triggers know no %s %s", p.file, kind, name[1])
					}
				case "Service":
					if name[1] != "el-model-delivery" {
						t.Errorf("%s: no EventListener makes the Service %s", p.file, name[1])
					}
				default:
					if kind := strings.ToLower(kind); !slices.Contains(known[kind], name[1]) {
						t.Errorf("%s: there is no %s %s", p.file, kind, name[1])
					}
				}
			}
		}
	}
}

// vocabulary is the names of Tasks and Pipelines, and of their params, results
// and workspaces; only of those in a directory, if one is given.
func vocabulary(objects []bundle.Object, dir string) map[string][]string {
	known := map[string][]string{}
	add := func(kind, name string) { known[kind] = append(known[kind], name) }
	for _, object := range objects {
		if dir != "" && filepath.ToSlash(filepath.Dir(object.File)) != dir {
			continue
		}
		switch value := object.Value.(type) {
		case *pipelinev1.Task:
			add("task", value.Name)
			for _, p := range value.Spec.Params {
				add("param", p.Name)
			}
			for _, r := range value.Spec.Results {
				add("result", r.Name)
			}
			for _, w := range value.Spec.Workspaces {
				add("workspace", w.Name)
			}
		case *pipelinev1.Pipeline:
			add("pipeline", value.Name)
			for _, p := range value.Spec.Params {
				add("param", p.Name)
			}
			for _, r := range value.Spec.Results {
				add("result", r.Name)
			}
			for _, w := range value.Spec.Workspaces {
				add("workspace", w.Name)
			}
		}
	}
	return known
}

// readAll is the text of all files below a directory.
func readAll(t *testing.T, dir string) string {
	t.Helper()
	var text strings.Builder
	err := filepath.WalkDir(filepath.Join(bundle.Root, dir), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) == ".md" {
			return err
		}
		data, err := os.ReadFile(path)
		text.Write(data)
		text.WriteString("\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}
