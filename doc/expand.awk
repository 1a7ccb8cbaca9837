# SPDX-License-Identifier: BSD-3-Clause
# Fills in what a manual page takes from elsewhere: a line "@PROGRAM PART" is what that program prints, "@@NAME@@" a file that is
# given as -v NAME=FILE; @sysconfdir@ and the like are directories.
function insert(command,    line)
{
	while ((command | getline line) > 0)
		print line
	if (close(command) != 0)
		failed = 1
}

# "" is a file that was not given.
function file_of(name)
{
	return name == "configuration" ? configuration : name == "varlink" ? varlink : ""
}

/^@@[a-z]+@@$/ {
	insert("cat '" file_of(substr($0, 3, length($0) - 4)) "'")
	next
}
/^@[a-z]+\/manual / {
	insert("./" substr($0, 2))
	next
}
{
	gsub(/@sysconfdir@/, sysconfdir)
	gsub(/@localstatedir@/, localstatedir)
	gsub(/@runstatedir@/, runstatedir)
	print
}
END {
	exit failed
}
