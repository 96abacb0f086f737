package locate

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
)

// podConfig is config for the URLs of pods. Nothing is decoded with it, so it
// needs no types of the API.
func podConfig(config *rest.Config) *rest.Config {
	out := rest.CopyConfig(config)
	out.APIPath = "/api"
	out.GroupVersion = &schema.GroupVersion{Version: "v1"}
	out.NegotiatedSerializer = serializer.NewCodecFactory(runtime.NewScheme()).WithoutConversion()
	return out
}
