package kube

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Ranks of the phases in which objects are applied. What comes first is needed
// by what comes later: a namespace by what lives in it, a definition by its
// objects, settings and accounts by the pods that mount them, and services by
// the pods that are born with their addresses.
const (
	rankNamespace = iota
	rankDefinition
	rankSetting
	rankAccess
	rankService
	rankOther
	rankWorkload
	rankWebhook
	rankCustom
)

// crdKind is the kind of custom resource definitions.
var crdKind = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}

var kindRanks = map[string]int{
	"Namespace":                rankNamespace,
	"CustomResourceDefinition": rankDefinition,

	"PriorityClass": rankSetting, "RuntimeClass": rankSetting, "StorageClass": rankSetting, "IngressClass": rankSetting,
	"ResourceQuota": rankSetting, "LimitRange": rankSetting, "NetworkPolicy": rankSetting, "PodDisruptionBudget": rankSetting,
	"Secret": rankSetting, "ConfigMap": rankSetting, "PersistentVolume": rankSetting, "PersistentVolumeClaim": rankSetting,

	"ServiceAccount": rankAccess, "ClusterRole": rankAccess, "ClusterRoleBinding": rankAccess,
	"Role": rankAccess, "RoleBinding": rankAccess,

	"Service": rankService,

	"Pod": rankWorkload, "ReplicationController": rankWorkload, "ReplicaSet": rankWorkload, "Deployment": rankWorkload,
	"StatefulSet": rankWorkload, "DaemonSet": rankWorkload, "Job": rankWorkload, "CronJob": rankWorkload,
	"HorizontalPodAutoscaler": rankWorkload,

	"APIService": rankWebhook, "MutatingWebhookConfiguration": rankWebhook, "ValidatingWebhookConfiguration": rankWebhook,
	"ValidatingAdmissionPolicy": rankWebhook, "ValidatingAdmissionPolicyBinding": rankWebhook,
}

// builtinGroups are the API groups that Kubernetes itself serves; any other
// is a custom resource's.
var builtinGroups = []string{"", "apps", "batch", "autoscaling", "policy", "extensions"}

func isBuiltin(group string) bool {
	const suffix = ".k8s.io"
	if slices.Contains(builtinGroups, group) {
		return true
	}
	switch group {
	case "rbac.authorization" + suffix, "networking" + suffix, "storage" + suffix, "scheduling" + suffix, "node" + suffix,
		"coordination" + suffix, "discovery" + suffix, "events" + suffix, "admissionregistration" + suffix,
		"apiextensions" + suffix, "apiregistration" + suffix, "certificates" + suffix, "flowcontrol.apiserver" + suffix,
		"resource" + suffix, "authentication" + suffix, "authorization" + suffix:
		return true
	}
	return false
}

func rankOf(obj *unstructured.Unstructured) int {
	gvk := obj.GroupVersionKind()
	if !isBuiltin(gvk.Group) {
		return rankCustom
	}
	if rank, ok := kindRanks[gvk.Kind]; ok {
		return rank
	}
	return rankOther
}

// phases groups objects by rank, in order; objects of one phase do not need
// one another. Within a phase they keep their order.
func phases(objs []*unstructured.Unstructured) [][]*unstructured.Unstructured {
	sorted := slices.Clone(objs)
	slices.SortStableFunc(sorted, func(a, b *unstructured.Unstructured) int { return cmp.Compare(rankOf(a), rankOf(b)) })
	var out [][]*unstructured.Unstructured
	for i, obj := range sorted {
		if i == 0 || rankOf(obj) != rankOf(sorted[i-1]) {
			out = append(out, nil)
		}
		out[len(out)-1] = append(out[len(out)-1], obj)
	}
	return out
}
