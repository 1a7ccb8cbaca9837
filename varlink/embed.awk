# SPDX-License-Identifier: BSD-3-Clause
# Makes a C string of a text (a Varlink interface description, a page): awk -v name=NAME -f embed.awk FILE > FILE.c
BEGIN {
	printf "/* Made by varlink/embed.awk. */\n"
	printf "extern const char %s[];\nconst char %s[] =", name, name
}
{
	gsub(/[\\"]/, "\\\\&")
	printf "\n\t\"%s\\n\"", $0
}
END {
	print ";"
}
