package zk_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"zooid/zk"
)

func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := zk.Dial(ctx, "zoo1:2181,zoo2:2181,zoo3:2181/app", zk.WithSessionTimeout(15*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	path, err := c.Create(ctx, "/members/m-", []byte("10.0.0.7"), zk.EphemeralSequential, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("this member is", path)
}

// A change that builds on what was read: the version makes sure that nobody
// else was quicker.
func ExampleClient_Set() {
	var c *zk.Client // from Dial
	ctx := context.Background()
	for {
		data, stat, err := c.Get(ctx, "/counter")
		if err != nil {
			log.Fatal(err)
		}
		_, err = c.Set(ctx, "/counter", append(data, '+'), stat.Version)
		if errors.Is(err, zk.ErrBadVersion) {
			continue
		}
		if err != nil {
			log.Fatal(err)
		}
		return
	}
}

// A one-shot watch: read, act, wait for the change, read again. The watch is
// set by the read itself, so that no change between the two is missed.
func ExampleClient_GetW() {
	var c *zk.Client // from Dial
	ctx := context.Background()
	for {
		data, _, changed, err := c.GetW(ctx, "/config")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("configuration: %s\n", data)
		select {
		case e := <-changed:
			if e.State.Over() {
				log.Fatal(e.Err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// A watch that stays: all changes below /config, and a hint to read everything
// again where some may have been missed.
func ExampleClient_AddWatch() {
	var c *zk.Client // from Dial
	ctx := context.Background()
	w, err := c.AddWatch(ctx, "/config", zk.WatchRecursive)
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close(ctx)
	for {
		e, err := w.Next(ctx)
		if err != nil {
			log.Fatal(err)
		}
		switch e.Type {
		case zk.EventResync:
			fmt.Println("read all of", e.Path)
		case zk.EventNodeDeleted:
			fmt.Println("gone:", e.Path)
		default:
			fmt.Println("read", e.Path)
		}
	}
}

// Several changes as one transaction.
func ExampleClient_Multi() {
	var c *zk.Client // from Dial
	ctx := context.Background()
	_, err := c.Multi(ctx,
		zk.CheckOp("/lock/owner", 3),
		zk.SetOp("/balance/a", []byte("90"), zk.AnyVersion),
		zk.SetOp("/balance/b", []byte("110"), zk.AnyVersion),
	)
	var failed *zk.OpError
	if errors.As(err, &failed) {
		fmt.Println("nothing was changed, because of", failed.Op, failed.Path)
	}
}

// The end of a session: whatever it owned is gone, and a new one is needed.
func ExampleClient_Done() {
	var c *zk.Client // from Dial
	<-c.Done()
	if errors.Is(c.Err(), zk.ErrSessionExpired) {
		fmt.Println("the ephemeral znodes are gone: start again with a new client")
	}
}
