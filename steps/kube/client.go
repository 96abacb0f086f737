package kube

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/model-delivery/model-delivery/steps/step"
)

// Options says which cluster to talk to.
type Options struct {
	// Kubeconfig is the path of a kubeconfig file. Empty: the files that
	// KUBECONFIG lists, else ~/.kube/config, else the service account of the
	// pod that this runs in.
	Kubeconfig string
	// Context is the kubeconfig's context to use. Empty: its current one.
	Context string
	// UserAgent names the caller in the cluster's audit log.
	UserAgent string
}

// Client is a connection to one cluster. It is safe for concurrent use.
type Client struct {
	// Dynamic reads and writes objects of any kind.
	Dynamic dynamic.Interface
	// Mapper tells which resource serves a kind. It forgets what it knows on
	// Reset, which is needed after custom resources were defined.
	Mapper meta.ResettableRESTMapper
	// Discovery lists what the cluster serves. May be nil in tests.
	Discovery discovery.DiscoveryInterface
	// Logs reads the logs of containers. May be nil: then none are shown.
	Logs LogReader
	// Config is how the cluster is reached. Nil in tests.
	Config *rest.Config
	// Namespace is the one that the kubeconfig's context or the pod's service
	// account names; "default" where neither does.
	Namespace string
}

// NewClient connects to the cluster that the options name. Nothing is sent
// yet: an unreachable cluster is noticed by the first call.
func NewClient(o Options) (*Client, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig
	if o.Kubeconfig != "" {
		if _, err := os.Stat(o.Kubeconfig); errors.Is(err, fs.ErrNotExist) {
			return nil, step.WithHint(step.Invalidf("kubeconfig: %w", err),
				"give the path that `kind-cluster create --kubeconfig` wrote to")
		}
	}
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules,
		&clientcmd.ConfigOverrides{CurrentContext: o.Context})
	config, err := loader.ClientConfig()
	if err != nil {
		err = fmt.Errorf("read the kubeconfig: %w", err)
		return nil, step.WithHint(step.Invalid(err), "set --kubeconfig or KUBECONFIG, or run in a pod with a service account")
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, step.Invalidf("read the kubeconfig's namespace: %w", err)
	}
	if o.UserAgent != "" {
		config.UserAgent = o.UserAgent
	}
	return NewClientForConfig(config, namespace)
}

// NewClientForConfig connects as config says. namespace is the one taken for
// objects that need one and name none.
func NewClientForConfig(config *rest.Config, namespace string) (*Client, error) {
	config = rest.CopyConfig(config)
	config.QPS = -1 // the server's own fairness is enough; a client-side limit only adds seconds
	config.WarningHandler = rest.NoWarnings{}
	httpClient, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, step.Invalidf("connect to the cluster: %w", err)
	}
	dyn, err := dynamic.NewForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, step.Invalidf("connect to the cluster: %w", err)
	}
	disco, err := discovery.NewDiscoveryClientForConfigAndClient(config, httpClient)
	if err != nil {
		return nil, step.Invalidf("connect to the cluster: %w", err)
	}
	logs, err := newLogReader(config, httpClient)
	if err != nil {
		return nil, step.Invalidf("connect to the cluster: %w", err)
	}
	return &Client{
		Dynamic:   dyn,
		Mapper:    restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(disco)),
		Discovery: disco,
		Logs:      logs,
		Config:    config,
		Namespace: namespace,
	}, nil
}

// Resource returns the interface to the objects of a kind. namespace is
// ignored for kinds that live outside namespaces.
func (c *Client) Resource(gvk schema.GroupVersionKind, namespace string) (dynamic.ResourceInterface, error) {
	mapping, err := c.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return nil, fmt.Errorf("find the resource of %s: %w", gvk, err)
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		if namespace == "" {
			namespace = c.Namespace
		}
		return c.Dynamic.Resource(mapping.Resource).Namespace(namespace), nil
	}
	return c.Dynamic.Resource(mapping.Resource), nil
}

// Namespaced tells whether objects of a kind live in namespaces.
func (c *Client) Namespaced(gvk schema.GroupVersionKind) (bool, error) {
	mapping, err := c.Mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return false, fmt.Errorf("find the resource of %s: %w", gvk, err)
	}
	return mapping.Scope.Name() == meta.RESTScopeNameNamespace, nil
}

// LogReader reads the last lines of a container's log.
type LogReader interface {
	// Tail returns at most lines lines; previous asks for the container's
	// last run before the current one.
	Tail(ctx context.Context, namespace, pod, container string, lines int, previous bool) (string, error)
}

// Ref names an object for people: "Deployment seldon-system/manager".
func Ref(obj *unstructured.Unstructured) string {
	name := obj.GetName()
	if name == "" {
		name = obj.GetGenerateName() + "*"
	}
	if ns := obj.GetNamespace(); ns != "" {
		name = ns + "/" + name
	}
	return obj.GetKind() + " " + name
}
