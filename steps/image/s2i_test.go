package image

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/model-delivery/model-delivery/steps/step"
)

func TestS2IDockerfile(t *testing.T) {
	t.Parallel()
	builder := s2iBuilder{image: "seldon/builder:1", workingImage: "sha256:1", scripts: "/usr/libexec/s2i", destination: "/tmp", user: "1001"}
	for _, tc := range []struct {
		name   string
		change func(*s2iBuilder)
		want   string // "" for an error
	}{
		{"plain", func(*s2iBuilder) {}, `FROM sha256:1
LABEL io.openshift.s2i.build.image="seldon/builder:1"
COPY --chown=1001:0 src /tmp/src
USER 1001
RUN /usr/libexec/s2i/assemble
CMD ["/usr/libexec/s2i/run"]
`},
		{"with variables and scripts of its own", func(b *s2iBuilder) {
			b.environment, b.assembleOwn, b.user, b.destination = []string{"MODEL_NAME=News", `ODD=a "b" $HOME \n`}, true, "default:root", "/opt"
		}, `FROM sha256:1
LABEL io.openshift.s2i.build.image="seldon/builder:1"
ENV MODEL_NAME="News"
ENV ODD="a \"b\" \$HOME \\n"
COPY --chown=default:0 src /opt/src
COPY --chown=default:0 src/.s2i/bin /opt/scripts
USER default:root
RUN /opt/scripts/assemble
CMD ["/usr/libexec/s2i/run"]
`},
		{"scripts that add a line", func(b *s2iBuilder) { b.scripts = "/x\nRUN rm -rf /" }, ""},
		{"scripts with a command", func(b *s2iBuilder) { b.scripts = "/x;id" }, ""},
		{"no user", func(b *s2iBuilder) { b.user = "a b" }, ""},
		{"variable without a value", func(b *s2iBuilder) { b.environment = []string{"NAME"} }, ""},
		{"variable with a line", func(b *s2iBuilder) { b.environment = []string{"NAME=a\nRUN id"} }, ""},
		{"variable of another name", func(b *s2iBuilder) { b.environment = []string{"NA ME=a"} }, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := builder
			tc.change(&b)
			got, err := b.dockerfile()
			if string(got) != tc.want || (err != nil) != (tc.want == "") || (err != nil && step.ExitCode(err) != step.ExitInvalid) {
				t.Errorf("%v\n%s\nwant\n%s", err, got, tc.want)
			}
		})
	}
}

// Whatever the value of a variable, it stays in its line.
func FuzzS2IVariable(f *testing.F) {
	for _, seed := range []string{"", "a", `\`, `"`, "$(id)", "a\nRUN id", "\x00", "é"} {
		f.Add(seed)
	}
	builder := s2iBuilder{image: "b", workingImage: "sha256:1", scripts: "/s", destination: "/tmp", user: "1"}
	f.Fuzz(func(t *testing.T, value string) {
		b := builder
		b.environment = []string{"NAME=" + value}
		text, err := b.dockerfile()
		if err != nil {
			return
		}
		lines := strings.Split(string(text), "\n")
		if len(lines) != 8 || !strings.HasPrefix(lines[2], `ENV NAME="`) || !strings.HasSuffix(lines[2], `"`) {
			t.Errorf("%q:\n%s", value, text)
		}
	})
}

func TestReadEnvironment(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                                   nil,
		"# a comment\n\nMODEL_NAME=News\r\n": {"MODEL_NAME=News"},
		" A=1\nB=2 3 \n":                     {"A=1", "B=2 3"},
		"no value\n":                         {"error"},
		strings.Repeat("A=1\n", 1<<15):       {"error"},
	} {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, ".s2i"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, ".s2i", "environment"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readEnvironment(dir)
		if failed := slices.Equal(want, []string{"error"}); failed != (err != nil) || (!failed && !slices.Equal(got, want)) {
			t.Errorf("%.20q: %q, %v", text, got, err)
		}
	}
	if got, err := readEnvironment(t.TempDir()); got != nil || err != nil {
		t.Errorf("without a file: %q, %v", got, err)
	}
	outside := t.TempDir()
	if err := os.Symlink("/etc", filepath.Join(outside, ".s2i")); err != nil {
		t.Fatal(err)
	}
	if _, err := readEnvironment(outside); err == nil {
		t.Error("a link out of the source was followed")
	}
}

// A generated Dockerfile goes along, and the source below its prefix.
func TestGeneratedContext(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"model.py": "m", "data.csv": "d", ".s2iignore": "data.csv\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := streamed(t, buildContext{dir: dir, ignore: ".s2iignore", prefix: "src/", generated: []byte("FROM x")})
	want := map[string]string{generatedName: "FROM x", "src/model.py": "m", "src/.s2iignore": "data.csv\n"}
	if len(got) != len(want) {
		t.Errorf("%v, want %v", got, want)
	}
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s is %q, want %q", name, got[name], text)
		}
	}
}
