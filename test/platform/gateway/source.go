package gateway

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed mapping.go table.go proxy.go watch.go run.go source.go cmd/main.go
var sources embed.FS

// Path is the import path of the package.
const Path = "github.com/model-delivery/model-delivery/test/platform/gateway"

// Requires are the modules that the sources need, "path version".
func Requires() []string { return []string{"go.yaml.in/yaml/v3 v3.0.4"} }

// Sources returns the sources of the gateway and its command by file name, for
// a module called module of their own in which the package is in "gateway" and
// the command in "gateway/cmd". This keeps the gateway's image from changing
// with the rest of the project.
func Sources(module string) (map[string]string, error) {
	files := map[string]string{}
	for _, name := range []string{"mapping.go", "table.go", "proxy.go", "watch.go", "run.go", "source.go", "cmd/main.go"} {
		data, err := sources.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read the gateway's source: %w", err)
		}
		files["gateway/"+name] = strings.ReplaceAll(string(data), `"`+Path+`"`, `"`+module+`/gateway"`)
	}
	return files, nil
}
