package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/ready"
)

// runCoreDNS runs CoreDNS with the plugins a cluster needs, in the order in which they see a query.
func runCoreDNS() int {
	dnsserver.Directives = []string{"bind", "errors", "health", "ready", "cache", "kubernetes", "loop", "forward"}
	coremain.Run()
	return 0
}
