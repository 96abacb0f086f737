package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/model-delivery/model-delivery/test/platform/cache"
)

// Source says where what the platform installs comes from.
type Source string

// The sources. Auto picks Release when a public container registry answers
// within a few seconds, and FromSource otherwise.
const (
	Auto       Source = "auto"
	Release    Source = "release" // published images, manifests and charts
	FromSource Source = "source"  // Go modules and Debian packages
)

// State is what the platform tells about itself: `up` writes it to
// platform.json in the state directory, and tests, the demo and people read it.
// Everything in it is an address or a path; secrets are in files that it names.
type State struct {
	Source   Source `json:"source"`
	StateDir string `json:"state_dir"`
	CacheDir string `json:"cache_dir"`

	DockerHost    string `json:"docker_host,omitempty"`    // value for DOCKER_HOST
	DockerPath    string `json:"docker_path,omitempty"`    // directory to put first on PATH, "" when docker is there already
	EngineStarted bool   `json:"engine_started,omitempty"` // the engine is ours and ends with the platform
	EngineMTU     int    `json:"engine_mtu,omitempty"`     // bytes; what container networks use

	Network        string `json:"network,omitempty"`         // docker network of nodes, registry and forge
	NetworkCreated bool   `json:"network_created,omitempty"` // the network is ours and ends with the platform
	Gateway        string `json:"gateway,omitempty"`         // the network's gateway: this machine as containers see it
	Registry       string `json:"registry,omitempty"`        // host:port, plain HTTP, the same from everywhere

	NodeImage         string `json:"node_image,omitempty"`          // in the engine
	RegistryNodeImage string `json:"registry_node_image,omitempty"` // in the registry, for nested clusters
	DindImage         string `json:"dind_image,omitempty"`          // Docker engine for the integration Task's sidecar

	Cluster    string `json:"cluster,omitempty"`
	Kubeconfig string `json:"kubeconfig,omitempty"`

	// Images are the base images and tools in the registry, by short name:
	// debian, static, git, busybox and what components add.
	Images map[string]string `json:"images,omitempty"`
	// Values are what components publish, by component and name; a value that
	// stands for a secret is the path of the file that holds it.
	Values map[string]map[string]string `json:"values,omitempty"`
}

// stateFile is the state's name in the state directory.
const stateFile = "platform.json"

// ErrNotUp is what Load returns when no platform has been started.
var ErrNotUp = errors.New("the local platform is not up (go run ./test/platform up)")

// DefaultStateDir is where the platform keeps what it needs to know between
// commands: MODEL_DELIVERY_STATE, or model-delivery in the user's state
// directory.
func DefaultStateDir(getenv func(string) string) (string, error) {
	if dir := getenv("MODEL_DELIVERY_STATE"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "model-delivery"), nil
	}
	home := getenv("HOME")
	if home == "" {
		return "", errors.New("find the state directory: none of MODEL_DELIVERY_STATE, XDG_STATE_HOME and HOME is set")
	}
	return filepath.Join(home, ".local", "state", "model-delivery"), nil
}

// Load reads the state of the platform from stateDir; "" means the default
// directory. It returns ErrNotUp when there is none.
func Load(stateDir string) (*State, error) {
	if stateDir == "" {
		dir, err := DefaultStateDir(os.Getenv)
		if err != nil {
			return nil, err
		}
		stateDir = dir
	}
	data, err := os.ReadFile(filepath.Join(stateDir, stateFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, ErrNotUp
	}
	if err != nil {
		return nil, fmt.Errorf("read the platform's state: %w", err)
	}
	state := &State{}
	if err := json.Unmarshal(data, state); err != nil {
		return nil, fmt.Errorf("read the platform's state in %s: %w", stateDir, err)
	}
	return state, nil
}

// Value returns what the component published under name, "" when it did not.
func (s *State) Value(component, name string) string { return s.Values[component][name] }

// Environ are the variables with which docker, kind and kubectl find the
// platform.
func (s *State) Environ() []string {
	var env []string
	if s.DockerHost != "" {
		env = append(env, "DOCKER_HOST="+s.DockerHost)
	}
	if s.DockerPath != "" {
		env = append(env, "PATH="+s.DockerPath+string(os.PathListSeparator)+os.Getenv("PATH"))
	}
	if s.Kubeconfig != "" {
		env = append(env, "KUBECONFIG="+s.Kubeconfig)
	}
	return env
}

// save writes the state, readable by its owner only.
func (s *State) save() error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write the platform's state: %w", err)
	}
	if err := cache.WriteFile(filepath.Join(s.StateDir, stateFile), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the platform's state: %w", err)
	}
	return nil
}
