using System.Diagnostics;
using Tessera.Data.Imaging;
using Tessera.Data.Sets;
using Tessera.Data.Transforms;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>Pillow itself as the other side, on images larger than golden files hold.</summary>
public class PillowTests
{
    private const string Script = """
        import sys, numpy as np
        from PIL import Image, ImageOps, ImageEnhance, ImageFilter
        out = sys.argv[1]
        r = np.random.RandomState(3)
        a = (np.add.outer(np.arange(67), np.arange(91))[:, :, None] * [1, 2, 1] + r.randint(0, 40, (67, 91, 3))).astype(np.uint8)
        im = Image.fromarray(a)
        def raw(name, image): open(f'{out}/{name}.raw', 'wb').write(np.asarray(image.convert('RGB')).tobytes())
        raw('image', im)
        gray, exif = im.convert('L'), Image.Exif()
        exif[0x112] = 6
        for name, image, options in [('rgb.jpg', im, {'quality': 90}), ('rgb.png', im, {}),
                 ('rgb.webp', im, {'lossless': True}), ('rgb.gif', im, {}),
                 ('rgb.tif', im, {}), ('rgb.bmp', im, {}), ('rgb.ppm', im, {}),
                ('gray.jpg', gray, {}), ('gray.png', gray, {}), ('gray.pgm', gray, {}), ('gray.bmp', gray, {}),
                 ('cmyk.jpg', im.convert('CMYK'), {'quality': 95}), ('cmyk.tif', im.convert('CMYK'), {}),
                ('rgba.png', im.convert('RGBA'), {}), ('la.png', im.convert('LA'), {}), ('palette.png', im.convert('P'), {}),
                 ('bits.png', im.convert('1'), {}), ('turned.jpg', im, {'exif': exif})]:
            image.save(f'{out}/{name}', **options)
            raw(name, Image.open(f'{out}/{name}'))
        raw('oriented', ImageOps.exif_transpose(Image.open(f'{out}/turned.jpg')))
        Image.fromarray(a[:, :, 0].astype(np.uint16) * 257).save(f'{out}/gray16.png')
        raw('gray16.png', Image.fromarray(a[:, :, 0]))
        filters = {'nearest': 0, 'lanczos': 1, 'bilinear': 2, 'bicubic': 3, 'box': 4}
        for name, f in filters.items():
            for w, h in [(32, 24), (91, 20), (17, 67), (200, 180), (1, 1), (90, 68)]:
                raw(f'resize-{name}-{h}-{w}', im.resize((w, h), f))
            raw(f'box-{name}', im.resize((40, 30), f, box=(3.25, 7.5, 80.125, 60)))
        for i, degrees in enumerate([3, 45, 90, 180, 270, 359.5, -17.3]):
            for name in ['nearest', 'bilinear', 'bicubic']:
                raw(f'rotate-{name}-{i}', im.rotate(degrees, filters[name], fillcolor=(124, 116, 104)))
        square = im.crop((0, 0, 60, 60))
        raw('square', square)
        raw('square90', square.rotate(90)); raw('square270', square.rotate(270))
        for s in [0.3, 1.1, 2.0, 5.5]: raw(f'blur-{s}', im.filter(ImageFilter.GaussianBlur(s)))
        for f in [0.0, 0.37, 1.3, 1.9]:
            raw(f'Color-{f}', ImageEnhance.Color(im).enhance(f)); raw(f'Contrast-{f}', ImageEnhance.Contrast(im).enhance(f))
            raw(f'Brightness-{f}', ImageEnhance.Brightness(im).enhance(f)); raw(f'Sharpness-{f}', ImageEnhance.Sharpness(im).enhance(f))
        raw('AutoContrast-0', ImageOps.autocontrast(im)); raw('Equalize-0', ImageOps.equalize(im))
        def hue(f):
            h, s, v = im.convert('HSV').split()
            x = np.array(h, dtype=np.uint8)
            with np.errstate(over='ignore'): x += np.int32(f * 255).astype(np.uint8)
            return Image.merge('HSV', (Image.fromarray(x, 'L'), s, v)).convert('RGB')
        for f in [-0.5, -0.2, 0.05, 0.4]: raw(f'hue-{f}', hue(f))
        """;

    [PillowFact]
    public void Decoding_resizing_and_every_operation_equal_pillows()
    {
        using var folder = new TempFolder();
        RunPython(folder);
        byte[] Expected(string name) => File.ReadAllBytes(Path.Combine(folder.Path, name + ".raw"));
        var image = Raster.FromInterleaved(Expected("image"), 3, 67, 91);
        var compared = 0;

        void Compare(string name, Raster result, int tolerance = 0)
        {
            var (expected, actual) = (Expected(name), result.ToInterleaved());
            Assert.Equal(expected.Length, actual.Length);
            var worst = expected.Zip(actual).Max(pair => Math.Abs(pair.First - pair.Second));
            Assert.True(worst <= tolerance, $"{name} differs by {worst}");
            compared++;
        }

        void Changed(string name, Action<Canvas> change)
        {
            var canvas = new Canvas { Fill = [124, 116, 104] };
            canvas.Image.CopyFrom(
                name.StartsWith("square", StringComparison.Ordinal) ? Raster.FromInterleaved(Expected("square"), 3, 60, 60) : image
            );
            change(canvas);
            Compare(name, canvas.Image);
        }

        foreach (var path in Directory.GetFiles(folder.Path).Where(path => !path.EndsWith(".raw", StringComparison.Ordinal)))
        {
            var decoded = new Raster();
            ImageDecoder.Decode(path, decoded);
            // Two decoders of lossy formats may round differently; ours are the same library.
            Compare(Path.GetFileName(path), decoded, Path.GetExtension(path) == ".jpg" ? 2 : 0);
        }
        var turned = new Raster();
        ImageDecoder.Decode(Path.Combine(folder.Path, "turned.jpg"), turned, orient: true);
        Compare("oriented", turned, 2);

        var random = new SampleRandom(0, 0, 0);
        foreach (var file in Directory.GetFiles(folder.Path, "*-*.raw").Select(path => Path.GetFileNameWithoutExtension(path)!))
        {
            var parts = file.Split('-', 3 - (file.StartsWith("resize", StringComparison.Ordinal) ? -1 : 0));
            double Number(int i) => double.Parse(string.Join('-', parts[i..]), System.Globalization.CultureInfo.InvariantCulture);
            var filter = Enum.TryParse<Interpolation>(parts[1], ignoreCase: true, out var known) ? known : Interpolation.Nearest;
            switch (parts[0])
            {
                case "resize":
                    Changed(file, canvas => Resampling.Resize(canvas, int.Parse(parts[2]), int.Parse(parts[3]), filter));
                    break;
                case "box":
                    Changed(file, canvas => Resampling.Resize(canvas, 30, 40, filter, new(3.25, 7.5, 80.125, 60)));
                    break;
                case "rotate":
                    Changed(file, canvas => Affine.Rotate(canvas, new[] { 3, 45, 90, 180, 270, 359.5, -17.3 }[(int)Number(2)], filter));
                    break;
                case "blur":
                    Changed(file, canvas => GaussianBlur.Apply(canvas, (float)Number(1)));
                    break;
                case "hue":
                    Changed(file, canvas =>
                        HueOps.Rotate(canvas.Image, double.Parse(file[4..], System.Globalization.CultureInfo.InvariantCulture))
                    );
                    break;
                default:
                    Changed(file, canvas => LeveledOp.All[parts[0]].Apply(canvas, Number(1), new(), ref random));
                    break;
            }
        }
        Changed("square90", canvas => Affine.Rotate(canvas, 90, Interpolation.Bicubic));
        Changed("square270", canvas => Affine.Rotate(canvas, 270, Interpolation.Bicubic));
        Assert.True(compared > 90, $"only {compared} images were compared");
    }

    private static void RunPython(TempFolder folder)
    {
        using var python = Process.Start(
            new ProcessStartInfo("/usr/bin/python3", ["-c", Script, folder.Path]) { RedirectStandardError = true }
        )!;
        var errors = python.StandardError.ReadToEnd();
        python.WaitForExit();
        Assert.True(python.ExitCode == 0, errors);
    }
}

/// <summary>A test that needs Pillow and NumPy of the system's Python.</summary>
internal sealed class PillowFactAttribute : FactAttribute
{
    public PillowFactAttribute()
    {
        if (
            !File.Exists("/usr/bin/python3")
            || !Directory.Exists("/usr/lib/python3/dist-packages/PIL")
            || !Directory.Exists("/usr/lib/python3/dist-packages/numpy")
        )
            Skip = "Pillow of /usr/bin/python3 is not installed (Debian: python3-pil, python3-numpy)";
    }
}

/// <summary>A test that needs files which are on this machine or not.</summary>
internal sealed class FileFactAttribute : FactAttribute
{
    public FileFactAttribute(string path)
    {
        var full = Path.Combine(Datasets.Cache, path);
        if (!File.Exists(full))
            Skip = $"{full} is not there";
    }
}
