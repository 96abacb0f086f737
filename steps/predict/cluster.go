package predict

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/kube"
	"github.com/model-delivery/model-delivery/steps/predict/locate"
	"github.com/model-delivery/model-delivery/steps/predict/report"
	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/step"
)

// clusterFlags say in which cluster a deployment is found, and which version
// of it has to be there.
type clusterFlags struct {
	kubeconfig, context string
	kubeconfigDir       string
	images, modelURIs   []string
	forward             string
	baseline            string
	baselineBearer      string
	agreement, slowdown float64
	explain             bool // the checks ask explainers
}

func (f *clusterFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.kubeconfig, "kubeconfig", "", "kubeconfig of the cluster that --deployment is in: it is waited for and its version is proved; without --endpoint its predictors are asked there, each by itself")
	fs.StringVar(&f.kubeconfigDir, "kubeconfig-dir", "", "directory with a file kubeconfig that is taken for --kubeconfig, where it is there")
	fs.StringVar(&f.context, "context", "", "context of the kubeconfig (default: its current one)")
	fs.StringArrayVar(&f.images, "image", nil, "an image that has to answer, as CONTAINER=REFERENCE or REFERENCE; repeatable; where no answer names its image that is said")
	fs.StringArrayVar(&f.modelURIs, "model-uri", nil, "a model that has to answer, as UNIT=URI; repeatable")
	fs.StringVar(&f.forward, "forward", "auto", "forward a port to the predictors: auto (outside of the cluster), always or never")
	fs.StringVar(&f.baseline, "baseline", "", "another deployment to compare with: an endpoint, NAMESPACE/NAME at the same endpoint, or predictor:NAME of the same SeldonDeployment")
	fs.StringVar(&f.baselineBearer, "baseline-bearer-token-file", "", "file with a token that the baseline alone is sent as Authorization: Bearer; on another host it gets nothing of what is given for the endpoint (headers, host, credentials, client certificate)")
	fs.Float64Var(&f.agreement, "baseline-agreement", 0, "least share of answers that agree with the baseline's, where the file has no comparison of its own; 0: any, which is said in the report")
	fs.Float64Var(&f.slowdown, "baseline-slowdown", 0, "largest ratio of median latencies to the baseline's, where the file has no comparison of its own; 0: any")
}

// deployments are what a run asks, and what it has to clean up.
type deployments struct {
	targets  []Target
	baseline *Target
	client   *kube.Client
	found    []*locate.Found
	images   []string
}

func (d *deployments) close() {
	for _, f := range d.found {
		f.Close()
	}
}

// resolve finds what the flags name.
func resolve(ctx context.Context, rt *step.Runtime, access *accessFlags, cluster *clusterFlags, timeout time.Duration) (*deployments, error) {
	o, err := access.options(rt.Redact.Add)
	if err != nil {
		return nil, err
	}
	// A Task gives an empty one where no image is known.
	cluster.images = slices.DeleteFunc(cluster.images, func(image string) bool { return image == "" })
	d := &deployments{images: cluster.images}
	cluster.findKubeconfig(rt)
	inCluster := access.endpoint == "" || cluster.kubeconfig != ""
	switch {
	case access.endpoint == "" && access.deployment == "":
		return nil, step.WithHint(step.Invalidf("where is the model? --endpoint or --deployment is needed"), "for a model on this machine: --endpoint http://127.0.0.1:9000")
	case inCluster && access.deployment != "":
		found, err := d.find(ctx, rt, access, cluster, access.namespace, access.deployment, access.predictor, timeout)
		if err != nil {
			d.close()
			return nil, err
		}
		d.addPredictors(o, access, found)
	case len(cluster.modelURIs) > 0:
		return nil, step.Invalidf("--model-uri can be proved in a cluster only: give --kubeconfig and --deployment")
	default:
		d.targets = []Target{{Options: o, GRPCEndpoint: access.grpcEndpoint}}
	}
	if cluster.baseline == "" && cluster.baselineBearer != "" {
		d.close()
		return nil, step.Invalidf("--baseline-bearer-token-file needs --baseline")
	}
	if cluster.baseline != "" {
		if err := d.addBaseline(ctx, rt, o, access, cluster, timeout); err != nil {
			d.close()
			return nil, err
		}
		if err := d.baselineToken(rt, cluster); err != nil {
			d.close()
			return nil, err
		}
	}
	if len(d.targets) == 1 {
		d.targets[0].Name = "" // there is none to tell it apart from
	}
	return d, nil
}

// findKubeconfig takes the kubeconfig of a directory, such as a workspace of a
// Task, which may be absent.
func (f *clusterFlags) findKubeconfig(rt *step.Runtime) {
	if f.kubeconfigDir == "" || f.kubeconfig != "" {
		return
	}
	path := filepath.Join(f.kubeconfigDir, "kubeconfig")
	if !anyExists(path) {
		rt.Logf("there is no file kubeconfig in %s", f.kubeconfigDir)
		return
	}
	f.kubeconfig = path
}

// find waits for a SeldonDeployment in the cluster.
func (d *deployments) find(ctx context.Context, rt *step.Runtime, access *accessFlags, cluster *clusterFlags, namespace, name, predictor string, timeout time.Duration) (*locate.Found, error) {
	if d.client == nil {
		client, err := kube.NewClient(kube.Options{Kubeconfig: cluster.kubeconfig, Context: cluster.context, UserAgent: "seldon-predict"})
		if err != nil {
			return nil, err
		}
		d.client = client
	}
	uris := map[string]string{}
	for _, text := range cluster.modelURIs {
		unit, uri, ok := strings.Cut(text, "=")
		if !ok {
			return nil, step.Invalidf("--model-uri has to be UNIT=URI")
		}
		uris[unit] = uri
	}
	var forward bool
	switch cluster.forward {
	case "always":
		forward = true
	case "never":
	case "auto":
		// A kubeconfig leads to another cluster than the one that this runs in.
		forward = cluster.kubeconfig != "" || rt.Getenv("KUBERNETES_SERVICE_HOST") == "" || anyExists(rt.Getenv("KUBECONFIG"))
	default:
		return nil, step.Invalidf("--forward is %q; it has to be auto, always or never", cluster.forward)
	}
	found, err := locate.Find(ctx, d.client, locate.Options{
		Namespace: namespace, Name: name, Predictor: predictor, Images: cluster.images, ModelURIs: uris,
		Timeout: timeout, Forward: forward && access.endpoint == "", Log: rt.Logf, Explain: cluster.explain && access.endpoint == "",
		Except: cluster.baselinePredictor(),
	})
	if err == nil {
		d.found = append(d.found, found)
	}
	return found, err
}

// anyExists tells whether any file of a list, as KUBECONFIG has it, is there.
func anyExists(list string) bool {
	return slices.ContainsFunc(filepath.SplitList(list), func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	})
}

// addPredictors makes a target of every predictor, or one of the endpoint when
// that is given.
func (d *deployments) addPredictors(o seldonclient.Options, access *accessFlags, found *locate.Found) {
	if access.endpoint != "" {
		t := Target{Options: o, Protocol: protocolOf(found), GRPCEndpoint: access.grpcEndpoint, Images: map[string]string{}, ModelURIs: map[string]string{}}
		for _, p := range found.Predictors {
			for name, image := range p.Images {
				t.Images[name] = image
			}
			for unit, uri := range p.ModelURIs {
				t.ModelURIs[unit] = uri
			}
			t.Options.Target.Model = cmp.Or(t.Options.Target.Model, p.Model)
		}
		d.targets = []Target{t}
		return
	}
	for i, p := range found.Predictors {
		t := predictorTarget(o, found, i)
		t.Name = p.Name
		d.targets = append(d.targets, t)
	}
}

// predictorPrefix begins a baseline that is a predictor.
const predictorPrefix = "predictor:"

// baselinePredictor is the predictor that is compared with; "": it is none.
func (f *clusterFlags) baselinePredictor() string {
	name, ok := strings.CutPrefix(f.baseline, predictorPrefix)
	if !ok {
		return ""
	}
	return name
}

// protocolOf is what a SeldonDeployment says that it speaks.
func protocolOf(found *locate.Found) seldonclient.Protocol {
	if found.Protocol == "kfserving" {
		return seldonclient.V2
	}
	return seldonclient.Protocol(found.Protocol)
}

// predictorTarget asks a predictor at its own Service, and its explainer at its.
func predictorTarget(o seldonclient.Options, found *locate.Found, i int) Target {
	p := found.Predictors[i]
	t := Target{Options: o, Protocol: protocolOf(found), GRPCEndpoint: p.GRPC, Explainer: p.Explainer, Images: p.Images, ModelURIs: p.ModelURIs, Proved: true}
	t.Options.Target.Endpoint, t.Options.Target.Gateway = p.REST, seldonclient.NoGateway
	t.Options.Target.Prefix = ""
	t.Options.Target.Model = cmp.Or(t.Options.Target.Model, p.Model)
	return t
}

// addBaseline finds the deployment that is compared with.
func (d *deployments) addBaseline(ctx context.Context, rt *step.Runtime, o seldonclient.Options, access *accessFlags, cluster *clusterFlags, timeout time.Duration) error {
	text := cluster.baseline
	unpinned := *cluster // a baseline is of another version
	unpinned.images, unpinned.modelURIs, unpinned.explain = nil, nil, false
	if name, ok := strings.CutPrefix(text, predictorPrefix); ok {
		if access.endpoint != "" || access.deployment == "" {
			return step.Invalidf("--baseline predictor:%s needs --deployment and a kubeconfig, and no --endpoint", name)
		}
		found, err := d.find(ctx, rt, access, &unpinned, access.namespace, access.deployment, name, timeout)
		if err != nil {
			return err
		}
		t := predictorTarget(o, found, 0)
		t.Name = "baseline"
		d.baseline = &t
		// The candidate is every other predictor.
		var rest []Target
		for _, target := range d.targets {
			if target.Name != name {
				rest = append(rest, target)
			}
		}
		d.targets = rest
		if len(rest) == 0 {
			return step.Invalidf("--baseline predictor:%s leaves nothing to compare with it", name)
		}
		return nil
	}
	namespace, name, pair := strings.Cut(text, "/")
	if pair && !strings.ContainsAny(text, ":.") && name != "" && !strings.Contains(name, "/") {
		if access.endpoint == "" {
			found, err := d.find(ctx, rt, access, &unpinned, namespace, name, "", timeout)
			if err != nil {
				return fmt.Errorf("baseline: %w", err)
			}
			t := predictorTarget(elsewhere(o), found, 0)
			t.Name = "baseline"
			d.baseline = &t
			return nil
		}
		if o.Target.Gateway == seldonclient.NoGateway {
			return step.Invalidf("--baseline %s is found through a gateway only: give --gateway, or the baseline's own endpoint", text)
		}
		o.Target.Namespace, o.Target.Deployment = namespace, name
		d.baseline = &Target{Name: "baseline", Options: o, GRPCEndpoint: access.grpcEndpoint}
		return nil
	}
	first := o.Target
	o.Target.Endpoint, o.Target.Gateway, o.Target.Prefix = text, seldonclient.NoGateway, ""
	if err := o.Target.Validate(); err != nil {
		return step.Invalidf("--baseline: %w", err)
	}
	if !first.SameHost(o.Target) {
		o = elsewhere(o)
	}
	d.baseline = &Target{Name: "baseline", Options: o}
	return nil
}

// logLines is how much of a container's log a report carries.
const logLines = 60

// addLogs adds the ends of the model's logs to the report of a failed run: often
// only they hold the cause.
func (d *deployments) addLogs(ctx context.Context, access *accessFlags, r *report.Report, clean func(string) string) {
	wanted := false
	for i := range r.Checks {
		switch r.Checks[i].Outcome {
		case report.NotReady, report.Transport, report.HTTP, report.Schema:
			wanted = true
		}
	}
	if !wanted || d.client == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	for _, log := range locate.Logs(ctx, d.client, access.namespace, access.deployment, logLines) {
		r.Logs = append(r.Logs, report.Log{Pod: log.Pod, Container: log.Container, Text: clean(log.Text)})
	}
}
