package kind

import (
	"context"
	"time"

	"github.com/spf13/pflag"

	"github.com/model-delivery/model-delivery/steps/step"
)

func reapCommand() *step.Command {
	var target targetFlags
	var o ReapOptions
	var timeout time.Duration
	return &step.Command{
		Name: "reap", Short: "remove clusters that have expired from a daemon that many use",
		Long: `Removes the clusters whose names say that they have expired, as those of
kind-integration do: their step was killed before it could remove them. Other
clusters are not touched. What trying the daemon left goes too.

Results: removed and kept, names of clusters.`,
		Example: "kind-cluster reap --host tcp://docker.example.org:2376 --docker-certs /certs",
		Flags: func(fs *pflag.FlagSet) {
			target.registerHost(fs)
			fs.StringVar(&o.Prefix, "prefix", DefaultPrefix, "what the names of the clusters begin with, before a dash")
			fs.BoolVar(&o.DryRun, "dry-run", false, "only say what would be removed")
			fs.DurationVar(&timeout, "timeout", 10*time.Minute, "how long it may take")
		},
		Run: func(ctx context.Context, rt *step.Runtime) error {
			if o.Prefix == "" {
				return step.Invalidf("--prefix is empty")
			}
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			reaped, err := Reap(ctx, target.target(rt), o)
			rt.Results.SetArray("removed", reaped.Removed)
			rt.Results.SetArray("kept", reaped.Kept)
			rt.Logf("%d cluster(s) removed, %d not expired, %d leftover(s) of probing removed", len(reaped.Removed), len(reaped.Kept), reaped.Probes)
			return err
		},
	}
}
