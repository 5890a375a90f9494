// Package ext is the place where Traefik lets other builds add to its configuration; this one adds nothing.
package ext

// HTTP would be added to the configuration of HTTP.
type HTTP struct{}

// Router would be added to the configuration of each router.
type Router struct{}
