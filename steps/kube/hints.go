package kube

import "strings"

// hintOfTrouble says what to try against what the kubelet reports.
func (e *explainer) hintOfTrouble(t ContainerTrouble) {
	switch t.Reason {
	case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable":
		e.out.hint("the node cannot get image " + t.Image + ": check its name, load it into the cluster, or give the node a registry it can reach")
	case "InvalidImageName":
		e.out.hint("image name " + t.Image + " is not valid")
	case "CreateContainerConfigError":
		e.out.hint("the pod refers to a Secret, ConfigMap or key that is not there")
	case "CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun":
		e.out.hint("the container cannot be started: check its command, user and mounts")
	case "OOMKilled":
		e.out.hint("container " + t.Container + " ran out of memory: raise its resources.limits.memory")
	case "CrashLoopBackOff", "Error":
		e.out.hint("container " + t.Container + " starts and ends again: see its last lines above")
	case "NotReady":
		e.out.hint("container " + t.Container + " runs but is not ready: see its log and its readiness probe")
	}
}

// hintOfEvent says what to try against what an event reports.
func (e *explainer) hintOfEvent(reason, message string) {
	switch reason {
	case "FailedScheduling":
		switch {
		case strings.Contains(message, "Insufficient"):
			e.out.hint("the node has no room left: lower the pod's resource requests or give the cluster more")
		case strings.Contains(message, "untolerated taint"):
			e.out.hint("the node is tainted: not ready yet, out of disk or memory, or reserved; see `kubectl describe node`")
		case strings.Contains(message, "PersistentVolumeClaim"), strings.Contains(message, "persistentvolumeclaim"):
			e.out.hint("the pod's volume claim is not bound: see the claim's events and the storage class")
		}
	case "FailedMount", "FailedAttachVolume":
		e.out.hint("a volume cannot be mounted: see the event above for the Secret, ConfigMap or claim it names")
	case "FailedCreate":
		e.out.hint("the cluster refuses the pods: a quota, a pod security level or a missing service account; see the event above")
	case "FailedCreatePodSandBox":
		e.out.hint("the node cannot make the pod's sandbox: the pause image or the network plug-in is missing")
	}
}
