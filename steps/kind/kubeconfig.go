package kind

import (
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/model-delivery/model-delivery/steps/atomicfile"
	"github.com/model-delivery/model-delivery/steps/step"
)

// contextName is the name that kind gives to the context, user and cluster
// entries of a cluster.
func contextName(cluster string) string { return "kind-" + cluster }

// kubeconfig returns the cluster's credentials for use from this machine.
// kind names the address that the daemon's machine listens on; for a daemon
// elsewhere that machine's name takes its place.
func (s *session) kubeconfig() ([]byte, error) {
	text, err := s.provider.KubeConfig(s.Name, false)
	if err != nil {
		return nil, step.Infraf("read the kubeconfig of cluster %s: %w", s.Name, commandError(err))
	}
	remote := s.remoteHost()
	if remote == "" {
		return []byte(text), nil
	}
	config, err := clientcmd.Load([]byte(text))
	if err != nil {
		return nil, step.Infraf("read the kubeconfig of cluster %s: %w", s.Name, err)
	}
	for _, entry := range config.Clusters {
		address, err := url.Parse(entry.Server)
		if err != nil {
			return nil, step.Infraf("read the kubeconfig of cluster %s: %w", s.Name, err)
		}
		address.Host = net.JoinHostPort(remote, address.Port())
		entry.Server = address.String()
	}
	return clientcmd.Write(*config)
}

// access is how to reach a cluster.
type access struct {
	kubeconfig []byte
	config     *rest.Config
	api        kubernetes.Interface
}

// access makes a client for the cluster.
func (s *session) access() (access, error) {
	data, err := s.kubeconfig()
	if err != nil {
		return access{}, err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(data)
	if err != nil {
		return access{}, step.Infraf("read the kubeconfig of cluster %s: %w", s.Name, err)
	}
	api, err := kubernetes.NewForConfig(config)
	if err != nil {
		return access{}, step.Infraf("make a client for cluster %s: %w", s.Name, err)
	}
	return access{data, config, api}, nil
}

// writeKubeconfig merges data into the file at path and makes its context the
// current one. The file is replaced in one step, mode 0600, without a lock
// file that a killed step could leave behind.
func writeKubeconfig(path string, data []byte) error {
	added, err := clientcmd.Load(data)
	if err != nil {
		return step.Infraf("read the kubeconfig that kind made: %w", err)
	}
	config, err := loadKubeconfig(path)
	if err != nil {
		return err
	}
	for name, entry := range added.Clusters {
		config.Clusters[name] = entry
	}
	for name, entry := range added.AuthInfos {
		config.AuthInfos[name] = entry
	}
	for name, entry := range added.Contexts {
		config.Contexts[name] = entry
	}
	config.CurrentContext = added.CurrentContext
	return replaceKubeconfig(path, config)
}

// removeFromKubeconfig takes the cluster's entries out of the file at path. A
// file that held nothing else is removed.
func removeFromKubeconfig(path, cluster string) error {
	name := contextName(cluster)
	config, err := loadKubeconfig(path)
	if err != nil || config.Clusters[name] == nil {
		return err
	}
	delete(config.Clusters, name)
	delete(config.AuthInfos, name)
	delete(config.Contexts, name)
	if config.CurrentContext == name {
		config.CurrentContext = ""
	}
	if len(config.Clusters)+len(config.AuthInfos)+len(config.Contexts) > 0 {
		return replaceKubeconfig(path, config)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return step.Infraf("remove the empty kubeconfig: %w", err)
	}
	return nil
}

func loadKubeconfig(path string) (*api.Config, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return api.NewConfig(), nil
	}
	if err != nil {
		return nil, step.Invalidf("read the kubeconfig: %w", err)
	}
	config, err := clientcmd.Load(data)
	if err != nil {
		return nil, step.WithHint(step.Invalidf("the kubeconfig %s cannot be parsed, so nothing can be added to it: %w", path, err),
			"name another file with --kubeconfig, or remove this one")
	}
	return config, nil
}

func replaceKubeconfig(path string, config *api.Config) error {
	data, err := clientcmd.Write(*config)
	if err != nil {
		return step.Infraf("encode the kubeconfig: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return step.Infraf("make the kubeconfig's directory: %w", err)
	}
	if err := atomicfile.Write(path, data, 0o600); err != nil {
		return step.Infraf("write the kubeconfig: %w", err)
	}
	return nil
}
