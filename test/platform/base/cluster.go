package base

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/moby/moby/client"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/model-delivery/model-delivery/steps/kind"
	"github.com/model-delivery/model-delivery/test/platform/docker"
	"github.com/model-delivery/model-delivery/test/platform/local"
)

// clusterName is the name of the platform's cluster.
const clusterName = "model-delivery"

// Ports of the cluster's node that are also on this machine's loopback.
const (
	listenerPort = 30080 // the EventListener
	gatewayPort  = 30088 // the gateway
)

// ForgePort is where the forge listens, on the gateway of the docker network.
const ForgePort = 3000

// clusterLimit is how long the cluster may take to become ready.
const clusterLimit = 10 * time.Minute

// cluster is the KIND cluster that everything in Kubernetes runs on, made by
// the project's own kind step.
type cluster struct{ local.Busy }

func (cluster) Name() string    { return "cluster" }
func (cluster) Needs() []string { return []string{"node-image", "registry"} }

// Build has nothing to do: the node image is a component of its own.
func (cluster) Build(context.Context, *local.Env) error { return nil }

// node is the container of the cluster's only node.
const node = clusterName + "-control-plane"

// Start makes the cluster, unless the one that runs was finished and is of the
// same node image. A half-made one is replaced.
func (c cluster) Start(ctx context.Context, env *local.Env) error {
	engine, err := env.Docker()
	if err != nil {
		return err
	}
	id, image, running, err := nodeContainer(ctx, engine)
	if err != nil {
		return err
	}
	made := env.State.Value("cluster", "node")
	switch {
	case id != "" && id == made && image == env.State.Value("cluster", "node-image"):
		if !running {
			env.Logf("start the cluster's node again")
			if _, err := engine.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
				return fmt.Errorf("start the cluster's node: %w", err)
			}
		}
		return c.ready(ctx, env)
	case id != "" && env.State.Cluster == "":
		return fmt.Errorf("a cluster named %s exists and is not the platform's: delete it with kind delete cluster --name %s", clusterName, clusterName)
	}
	return c.create(ctx, env, engine)
}

func (c cluster) create(ctx context.Context, env *local.Env, engine *docker.Engine) error {
	kubeconfig := env.StateFile("kubeconfig")
	err := env.Update(func(s *local.State) {
		s.Cluster, s.Kubeconfig = clusterName, kubeconfig
		delete(s.Values, "cluster")
	})
	if err != nil {
		return err
	}
	config, err := clusterConfig(env)
	if err != nil {
		return err
	}
	// kind's library runs the docker program of this process's PATH.
	if err := exportEnviron(env); err != nil {
		return err
	}
	_, err = kind.Create(ctx, kind.Options{
		Target:     kind.Target{Name: clusterName, Host: env.State.DockerHost, Log: env.Logf},
		Config:     config,
		NodeImage:  env.State.NodeImage,
		Kubeconfig: kubeconfig,
		Timeout:    clusterLimit,
		Retries:    1,
		Replace:    true,
		SafeEtcd:   true, // it outlives restarts of the engine
		LogsDir:    env.Cache.Path("cluster-logs"),
		// There is no cluster around this one.
		OuterSubnets: []string{},
	})
	if err != nil {
		return err
	}
	env.ForgetKube()
	if err := c.ready(ctx, env); err != nil {
		return err
	}
	id, image, _, err := nodeContainer(ctx, engine)
	if err != nil {
		return err
	}
	return errors.Join(env.Publish("cluster", "node-image", image), env.Publish("cluster", "node", id))
}

// ready waits until the API server answers, the node is Ready and what
// Kubernetes itself runs has rolled out.
func (cluster) ready(ctx context.Context, env *local.Env) error {
	ctx, cancel := context.WithTimeout(ctx, clusterLimit)
	defer cancel()
	kube, err := env.Kube()
	if err != nil {
		return err
	}
	for {
		err := nodesReady(ctx, kube.Client.CoreV1().Nodes())
		if err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the cluster's node: %w", err)
		case <-time.After(300 * time.Millisecond):
		}
	}
	return env.WaitReady(ctx, metav1.NamespaceSystem)
}

// Status reports whether the API server answers.
func (cluster) Status(ctx context.Context, env *local.Env) (local.Status, error) {
	if env.State.Cluster == "" {
		return local.Status{Condition: local.Absent}, nil
	}
	kube, err := env.Kube()
	if err != nil {
		return local.Status{}, err
	}
	if err := nodesReady(ctx, kube.Client.CoreV1().Nodes()); err != nil {
		return local.Status{Condition: local.Broken, Detail: err.Error()}, nil
	}
	version, err := kube.Client.Discovery().ServerVersion()
	if err != nil {
		return local.Status{}, err
	}
	return local.Status{Condition: local.Running, Detail: "Kubernetes " + version.GitVersion + ", " + env.State.Kubeconfig}, nil
}

// Stop deletes the cluster.
func (cluster) Stop(ctx context.Context, env *local.Env) error {
	if env.State.Cluster == "" {
		return nil
	}
	engine, err := reachable(ctx, env)
	if engine == nil || err != nil {
		return err
	}
	if err := exportEnviron(env); err != nil {
		return err
	}
	err = kind.Delete(ctx, kind.Target{Name: clusterName, Host: env.State.DockerHost, Log: env.Logf}, env.State.Kubeconfig)
	if err != nil {
		return err
	}
	return env.Update(func(s *local.State) { s.Cluster, s.Kubeconfig = "", "" })
}

// nodeContainer returns the identity and image of the cluster's node, and
// whether it runs; id is "" when there is none.
func nodeContainer(ctx context.Context, engine *docker.Engine) (id, image string, running bool, err error) {
	list, err := engine.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: make(client.Filters).Add("label", "io.x-k8s.kind.cluster="+clusterName),
	})
	if err != nil {
		return "", "", false, fmt.Errorf("look for the cluster's node: %w", err)
	}
	for _, item := range list.Items {
		for _, name := range item.Names {
			if name == "/"+node {
				return item.ID, item.ImageID, item.State == "running", nil
			}
		}
	}
	if len(list.Items) > 0 { // something of the cluster, but not its node
		return list.Items[0].ID, "", false, nil
	}
	return "", "", false, nil
}

// clusterConfig is kind's configuration of the cluster: one node, the listener
// and the gateway on loopback, and the registry known to containerd.
func clusterConfig(env *local.Env) ([]byte, error) {
	hosts := env.StateFile("certs.d", env.State.Registry, "hosts.toml")
	if err := os.MkdirAll(filepath.Dir(hosts), 0o755); err != nil {
		return nil, fmt.Errorf("tell nodes about the registry: %w", err)
	}
	if err := os.WriteFile(hosts, fmt.Appendf(nil, "[host.\"http://%s\"]\n  capabilities = [\"pull\", \"resolve\"]\n", env.State.Registry), 0o644); err != nil {
		return nil, fmt.Errorf("tell nodes about the registry: %w", err)
	}
	port := func(number int) map[string]any {
		return map[string]any{"containerPort": number, "hostPort": number, "listenAddress": "127.0.0.1", "protocol": "TCP"}
	}
	return yaml.Marshal(map[string]any{
		"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4",
		"nodes": []any{map[string]any{
			"role":              "control-plane",
			"extraPortMappings": []any{port(listenerPort), port(gatewayPort)},
			"extraMounts": []any{map[string]any{
				"hostPath": env.StateFile("certs.d"), "containerPath": "/etc/containerd/certs.d", "readOnly": true,
			}},
		}},
	})
}
