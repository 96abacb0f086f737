package kind

import (
	"archive/tar"
	"errors"
	"io"
	"slices"
	"testing"
)

func TestPackFiles(t *testing.T) {
	t.Parallel()
	files := mirrorFiles([]Mirror{{Registry: "a.example:5000", Endpoint: "http://b:1"}, {Registry: "c.example", Endpoint: "https://d"}})
	archive, err := packFiles(append(files, nodeFile{"top", nil}))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	content := map[string]string{}
	for reader := tar.NewReader(archive); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
		data, _ := io.ReadAll(reader)
		content[header.Name] = string(data)
	}
	want := []string{"certs.d/", "certs.d/a.example:5000/", "certs.d/a.example:5000/hosts.toml", "certs.d/c.example/", "certs.d/c.example/hosts.toml", "top"}
	if !slices.Equal(names, want) {
		t.Errorf("packed %q, want %q", names, want)
	}
	if got, want := content["certs.d/c.example/hosts.toml"], "[host.\"https://d\"]\n  capabilities = [\"pull\", \"resolve\"]\n"; got != want {
		t.Errorf("the file is %q, want %q", got, want)
	}
	if _, err := packFiles([]nodeFile{{"../up", nil}}); err == nil {
		t.Error("a path that leads out of the directory was packed")
	}
}
