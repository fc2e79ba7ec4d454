// Command kube is a whole Kubernetes in one binary: it becomes the component it is called as.
//
// One binary, because the components share nearly all of their code: one build of five minutes and 140 MB instead of
// seven of each. The name comes from the link it was started through (kube-apiserver -> kube), as in busybox, or from
// the first argument (kube kubectl get nodes).
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

// components maps a name to the function that runs it and returns the exit code. Each reads os.Args itself.
var components = map[string]func() int{
	"coredns":                 runCoreDNS,
	"etcd":                    runEtcd,
	"kube-apiserver":          runAPIServer,
	"kube-controller-manager": runControllerManager,
	"kube-proxy":              runProxy,
	"kube-scheduler":          runScheduler,
	"kubectl":                 runKubectl,
	"kubelet":                 runKubelet,
	"local-volumes":           runLocalVolumes,
}

func main() {
	name := filepath.Base(os.Args[0])
	run, ok := components[name]
	if !ok && len(os.Args) > 1 {
		run, ok = components[os.Args[1]]
		os.Args = os.Args[1:]
	}
	if !ok {
		names := make([]string, 0, len(components))
		for known := range components {
			names = append(names, known)
		}
		sort.Strings(names)
		fmt.Fprintf(os.Stderr, "usage: kube <%s> [flags]\n", strings.Join(names, "|"))
		os.Exit(2)
	}
	os.Exit(run())
}
