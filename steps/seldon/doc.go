// Package seldon deploys models as SeldonDeployments of Seldon Core 1 and
// tells when what was asked for is what serves.
//
// The operator gives little to go by: it never writes an observed generation,
// its state Available is stale after an update, and the names of what it makes
// may hold a hash. [Wait] therefore looks at the Deployments themselves, found
// by label: their rollout, and whether their live pod templates carry what the
// SeldonDeployment asks for.
package seldon
