package predict

import (
	"github.com/model-delivery/model-delivery/steps/seldonclient"
	"github.com/model-delivery/model-delivery/steps/step"
)

// elsewhere is how another host is asked: with nothing that was given for the
// first one, be it secret or not. Whose certificates are trusted stays.
func elsewhere(o seldonclient.Options) seldonclient.Options {
	o.Auth, o.Headers, o.Host = seldonclient.Auth{}, nil, ""
	if o.TLS != nil {
		o.TLS = o.TLS.Clone()
		o.TLS.Certificates, o.TLS.ServerName = nil, ""
	}
	return o
}

// baselineToken gives the baseline the token that is meant for it alone.
func (d *deployments) baselineToken(rt *step.Runtime, cluster *clusterFlags) error {
	if cluster.baselineBearer == "" {
		return nil
	}
	token, err := readSecret("baseline-bearer-token-file", cluster.baselineBearer)
	if err != nil {
		return err
	}
	rt.Redact.Add(token)
	o := &d.baseline.Options
	o.Auth.BearerToken, o.Auth.User, o.Auth.Password = token, "", ""
	if o.Headers.Get("Authorization") != "" {
		o.Headers = o.Headers.Clone() // the first one's stays as it is
		o.Headers.Del("Authorization")
	}
	return nil
}
