#!/bin/sh
# Sourced by dracut's init: says that there is a root although no root= is given.
# shellcheck disable=SC2034
root=archiso
rootok=1
