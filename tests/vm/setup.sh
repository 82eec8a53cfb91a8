#!/bin/sh
# Makes the virtual machine that the device tests run in, from Debian packages alone: a stock kernel, its virtual devices, busybox, udevd.
#   tests/setup.sh vm        once, and it calls this; about 250 MB to fetch, a minute of work; all of it lies in target/vm
# A Debian kernel has no gpio-sim and no driver of the pca9685's outputs: those two are built from the same kernel's sources,
# and so is v4l2loopback, a camera that a program feeds.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
here=$root/target/vm
say() { printf '%s\n' "vm: $*" >&2; }

version=$(dpkg-query -W -f '${Depends}' linux-headers-amd64 2>/dev/null | sed -n 's/^linux-headers-\([^ ]*\).*/\1/p')
[ -n "$version" ] || { say "linux-headers-amd64 is not installed: sh tests/setup.sh vm installs it, on Debian and amd64"; exit 1; }
series=$(printf %s "$version" | cut -d. -f1,2)
made=$here/made-for
recipe=$(cat "$0" "$root/tests/vm/init" | cksum)
if [ "$(cat "$made" 2>/dev/null)" = "$version $recipe" ]; then
    exit 0
fi

work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT
mkdir -p "$here"
cd "$work"
say "fetching Debian's kernel $version, its headers and sources, udev and v4l2loopback"
apt-get download -q "linux-image-$version" "linux-source-$series" udev v4l2loopback-dkms >&2
dpkg-deb -x "linux-image-$version"_*.deb kernel
dpkg-deb -x udev_*.deb udev
dpkg-deb -x v4l2loopback-dkms_*.deb loopback
dpkg-deb --fsys-tarfile "linux-source-$series"_*.deb | tar x "./usr/src/linux-source-$series.tar.xz"
tar xJf "usr/src/linux-source-$series.tar.xz" --strip-components 1 --wildcards \
    "*/drivers/gpio/gpio-sim.c" "*/drivers/gpio/gpiolib.h" "*/drivers/pwm/pwm-pca9685.c" "*/kernel/irq/irq_sim.c"

say "building the kernel modules that Debian leaves out"
mkdir modules
cp drivers/gpio/gpiolib.h drivers/pwm/pwm-pca9685.c kernel/irq/irq_sim.c loopback/usr/src/v4l2loopback-*/v4l2loopback*.[ch] modules
cp drivers/gpio/gpio-sim.c modules/gpio-sim-core.c
# The function is the kernel's own business since 6.0; this is what it does.
sed -i 's/irq_to_desc(irqnum)/irq_data_to_desc(irq_get_irq_data(irqnum))/' modules/irq_sim.c
cat > modules/Kbuild <<'KBUILD'
obj-m := gpio-sim.o pwm-pca9685.o v4l2loopback.o
gpio-sim-y := gpio-sim-core.o irq_sim.o
KBUILD
make -s -C "/lib/modules/$version/build" M="$work/modules" modules 2>&1 | grep -v '^Skipping BTF' >&2 || [ -e modules/v4l2loopback.ko ]
strip --strip-debug modules/*.ko

# The kernel as it lies in memory, started without unpacking itself: that costs seconds where every instruction is emulated.
python3 - "kernel/boot/vmlinuz-$version" "$here/vmlinux" <<'PYTHON'
import lzma, struct, sys
image = open(sys.argv[1], "rb").read()
offset, length = struct.unpack_from("<II", image, 0x248)
begin = (image[0x1F1] + 1) * 512 + offset
open(sys.argv[2], "wb").write(lzma.LZMADecompressor().decompress(image[begin : begin + length]))
PYTHON

base=$work/base
mkdir -p "$base/bin" "$base/lib/modules" "$base/lib/udev/rules.d" "$base/lib64" "$base/etc" "$base/proc" "$base/sys" "$base/dev" \
    "$base/run" "$base/tmp" "$base/root" "$base/var/log" "$base/usr/bin"
cp /bin/busybox "$base/bin/"
for applet in $(/bin/busybox --list); do
    [ "$applet" = busybox ] || ln -sf busybox "$base/bin/$applet"
done
ln -s /bin/env "$base/usr/bin/env"

# Each module's file NAME.ko, and NAME.deps: what must be loaded, in order.
depmod -b kernel "$version"
for name in evdev uinput vivid i2c-dev i2c-stub vcan can-raw virtio_pci 9p 9pnet_virtio videodev configfs; do
    modprobe -d kernel -S "$version" --show-depends "$name" | sed -n 's/^insmod \([^ ]*\).*/\1/p' > files
    while read -r file; do
        cp -n "$file" "$base/lib/modules/"
        basename "$file" .ko
    done < files > "$base/lib/modules/$name.deps"
done
for name in gpio-sim pwm-pca9685 v4l2loopback; do
    cp "modules/$name.ko" "$base/lib/modules/"
done
{ cat "$base/lib/modules/configfs.deps"; echo gpio-sim; } > "$base/lib/modules/gpio-sim.deps"
echo pwm-pca9685 > "$base/lib/modules/pwm-pca9685.deps"
{ cat "$base/lib/modules/videodev.deps"; echo v4l2loopback; } > "$base/lib/modules/v4l2loopback.deps"

cp udev/bin/udevadm "$base/bin/udevadm"
ln -sf udevadm "$base/bin/systemd-udevd"
for rules in 50-udev-default 60-evdev 60-input-id 60-persistent-input 60-persistent-v4l 70-joystick; do
    cp "udev/lib/udev/rules.d/$rules.rules" "$base/lib/udev/rules.d/" 2>/dev/null || true
done
cp udev/lib/udev/v4l_id "$base/lib/udev/" 2>/dev/null || true
printf 'root:x:0:0:root:/root:/bin/sh\nrobot:x:1000:1000:robot:/tmp:/bin/sh\n' > "$base/etc/passwd"
printf '%s\n' root:x:0: tty:x:5: disk:x:6: lp:x:7: kmem:x:15: dialout:x:20: cdrom:x:24: floppy:x:25: tape:x:26: audio:x:29: \
    video:x:44: plugdev:x:46: input:x:106: render:x:107: sgx:x:108: kvm:x:109: i2c:x:110: gpio:x:111: robot:x:1000: > "$base/etc/group"
cp "$root/tests/vm/init" "$base/init"
chmod 755 "$base/init"
"$root/tests/vm/libraries.sh" "$base" udev/bin/udevadm
(cd "$base" && find . | cpio -o -H newc --quiet) > base.cpio
mv base.cpio "$here/base.cpio"
echo "$version $recipe" > "$made"
say "ready: $here"
