# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What quickstart and runtests share. Sourced with $top set to the source folder.
top=${top:?}

# shellcheck disable=SC2034 # used by who sources this
BUILD_PACKAGES=(build-essential autoconf automake libtool pkg-config libsystemd-dev libevent-dev
	libjansson-dev libpcap-dev liburing-dev libzstd-dev libmnl-dev libcyaml-dev libyaml-dev libcap-ng-dev libseccomp-dev
	libncurses-dev libcmocka-dev scdoc iproute2 procps)

# Paths as a distribution has them: what is built with these can be installed as it is, which tests/systemd do.
# shellcheck disable=SC2034
BUILD_OPTIONS=(--enable-werror --prefix=/usr --sysconfdir=/etc --localstatedir=/var --runstatedir=/run)

say() {
	printf '\n=== %s\n' "$*"
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

need_root() {
	[ "$(id -u)" = 0 ] || die "must be run by root: sudo ./${0##*/}"
}

# install_packages PACKAGE...: those that are missing.
install_packages() {
	local package missing=()
	for package in "$@"; do
		dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
			missing+=("$package")
	done
	[ ${#missing[@]} = 0 ] && return
	say "installing ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	# Tests run the daemons among them (prometheus, sshd) themselves: they are not to become services of this machine.
	local policy=/usr/sbin/policy-rc.d ours='' status=0
	if [ ! -e "$policy" ]; then
		ours=$policy
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 0755 "$policy"
	fi
	apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || status=$?
	[ -z "$ours" ] || rm -f "$ours"
	return $status
}

# build FOLDER CONFIGURE-OPTION...: out of the source tree, in $top/FOLDER.
build() {
	local folder=$top/$1 wanted
	shift
	wanted="$*"
	# A source folder that was configured itself cannot be built from elsewhere.
	[ ! -e "$top/config.status" ] || make -C "$top" distclean >/dev/null
	[ -e "$top/configure" ] || (cd "$top" && autoreconf -fi >/dev/null 2>&1) || die "autoreconf failed"
	mkdir -p "$folder"
	if [ "$(cat "$folder/.configured-with" 2>/dev/null)" != "$wanted" ] || [ ! -e "$folder/Makefile" ]; then
		# Paths are compiled in: what was made with others is not made anew by itself.
		[ ! -e "$folder/Makefile" ] || make -C "$folder" --no-print-directory -s clean || die "make clean failed in $folder"
		(cd "$folder" && "$top/configure" --quiet "$@" && printf '%s\n' "$wanted" >.configured-with) ||
			die "configure failed in $folder"
	fi
	make -C "$folder" --no-print-directory -s -j "$(nproc)" || die "make failed in $folder"
}
