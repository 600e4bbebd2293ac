using Tessera.Models.Detection;
using Tessera.Testing;

namespace Tessera.Tests.Models.Detection;

public sealed class RoiAlignTests : LiveTensors
{
    public static TheoryData<RoiAlign> Settings =>
        new()
        {
            new RoiAlign(3, 4, 0.25),
            new RoiAlign(7, 7, 0.25, Aligned: false),
            new RoiAlign(2, 5, 0.5, 2),
            new RoiAlign(3, 3, 0.25, 3, Aligned: false),
            new RoiAlign(1, 1, 1),
        };

    // Inside, over the whole map, tiny, partly and wholly outside, turned around, of no size, far larger than the map. None samples at
    // the very edge of what counts, where rounding decides.
    private static Tensor Regions(DType type) =>
        Tensor
            .From([
                0.0,
                4,
                4,
                36,
                28,
                1,
                0,
                0,
                63.5,
                47.5,
                0,
                10.25,
                7.75,
                11,
                8,
                1,
                -9,
                -6,
                20,
                70,
                0,
                500,
                400,
                800,
                600,
                0,
                30,
                20,
                10,
                5,
                1,
                12,
                12,
                12,
                12,
                0,
                -900,
                -700,
                900,
                800,
                1,
                60,
                40,
                64,
                48,
            ])
            .Reshape(-1, 5)
            .To(type);

    // The definition, sample by sample.
    private static double[] Expected(RoiAlign align, double[] map, int channels, int height, int width, double[] roi)
    {
        var offset = align.Aligned ? 0.5 : 0;
        var (x1, y1, x2, y2) = (
            roi[1] * align.Scale - offset,
            roi[2] * align.Scale - offset,
            roi[3] * align.Scale - offset,
            roi[4] * align.Scale - offset
        );
        var (w, h) = align.Aligned ? (x2 - x1, y2 - y1) : (Math.Max(x2 - x1, 1), Math.Max(y2 - y1, 1));
        var (binH, binW) = (h / align.Height, w / align.Width);
        var (gridH, gridW) =
            align.SamplingRatio > 0
                ? (align.SamplingRatio, align.SamplingRatio)
                : ((int)Math.Ceiling(h / align.Height), (int)Math.Ceiling(w / align.Width));
        var result = new double[channels * align.Height * align.Width];
        for (var c = 0; c < channels; c++)
        for (var ph = 0; ph < align.Height; ph++)
        for (var pw = 0; pw < align.Width; pw++)
        {
            var sum = 0.0;
            for (var iy = 0; iy < gridH; iy++)
            for (var ix = 0; ix < gridW; ix++)
                sum += Sample(y1 + ph * binH + (iy + 0.5) * binH / gridH, x1 + pw * binW + (ix + 0.5) * binW / gridW);
            result[(c * align.Height + ph) * align.Width + pw] = sum / Math.Max(gridH * gridW, 1);

            double Sample(double y, double x)
            {
                if (y < -1 || y > height || x < -1 || x > width)
                    return 0;
                var ((top, bottom, down), (left, right, across)) = (Between(y, height), Between(x, width));
                return (1 - down) * ((1 - across) * At(top, left) + across * At(top, right))
                    + down * ((1 - across) * At(bottom, left) + across * At(bottom, right));
            }

            double At(int y, int x) => map[(c * height + y) * width + x];
        }
        return result;
    }

    private static (int First, int Second, double Share) Between(double at, int size)
    {
        at = Math.Max(at, 0);
        return at >= size - 1 ? (size - 1, size - 1, 0) : ((int)at, (int)at + 1, at - (int)at);
    }

    [Theory]
    [MemberData(nameof(Settings))]
    public void Kernel_and_composition_compute_the_definition(RoiAlign align)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        const int Channels = 3;
        var maps = Torch.Randn([2, Channels, 12, 16], DType.Float64);
        var rois = Regions(DType.Float64);
        var numbers = rois.ToArray<double>();
        double[] expected =
        [
            .. numbers.Chunk(5).SelectMany(roi => Expected(align, maps[(long)roi[0]].ToArray<double>(), Channels, 12, 16, roi)),
        ];
        Near.Values(align.Apply(maps, rois), 1e-12, expected);
        Near.Values(align.Plain(maps, rois), 1e-12, expected);
        Near.Values(align.Apply(maps.To(DType.Float32), rois), 1e-4, expected);
        Near.Values(align.Plain(maps.To(DType.Float32), rois), 1e-4, expected);
        Near.Values(align.Apply(maps.To(DType.BFloat16), rois), 0.05, expected);
        Assert.Equal(DType.BFloat16, align.Plain(maps.To(DType.BFloat16), rois).DType);
        // Another layout in memory is the same map.
        Near.Identical(align.Apply(maps, rois), align.Apply(maps.Contiguous(MemoryFormat.ChannelsLast), rois));
    }

    [Theory]
    [MemberData(nameof(Settings))]
    public void Gradients_match_differences_of_values_and_those_of_the_composition(RoiAlign align)
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var maps = Torch.Randn([2, 2, 5, 6], DType.Float64);
        maps.RequiresGrad = true;
        var rois = Regions(DType.Float64) * Tensor.From([1, 0.3, 0.3, 0.3, 0.3]);
        GradientCheck.Holds(x => align.Apply(x[0], rois), maps);
        var weights = Torch.Randn(align.Apply(maps, rois).Shape, DType.Float64);
        Tensor Gradient(Tensor output) => Autograd.Grad([(output * weights).Sum()], [maps])[0]!;
        Near.Equal(Gradient(align.Plain(maps, rois)), Gradient(align.Apply(maps, rois)), 1e-12);
    }

    [Fact]
    public void Gradients_of_gradients_are_refused_by_the_kernel_and_computed_by_the_composition()
    {
        using var scope = Torch.Scope();
        var align = new RoiAlign(2, 2, 0.25);
        var maps = Torch.Randn([2, 1, 12, 16], DType.Float64);
        maps.RequiresGrad = true;
        Tensor? Twice(Func<Tensor, Tensor> apply)
        {
            var first = Autograd.Grad([apply(maps).Square().Sum()], [maps], createGraph: true)[0]!;
            return Autograd.Grad([first.Square().Sum()], [maps])[0];
        }

        Assert.Throws<TorchNotSupportedException>(() => Twice(x => align.Apply(x, Regions(DType.Float64))));
        Assert.NotEqual(0, Twice(x => align.Plain(x, Regions(DType.Float64)))!.Abs().Sum().ToDouble());
    }

    [Fact]
    public void Value_and_gradient_do_not_depend_on_the_number_of_threads()
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var maps = Torch.Randn([2, 24, 40, 50]);
        maps.RequiresGrad = true;
        var corner = Torch.Rand([300, 2]) * 150;
        var images = Torch.Randint(0, 2, [300, 1], dtype: DType.Float32);
        var rois = Torch.Cat([images, corner, corner + Torch.Rand([300, 2]) * 100], 1);
        var align = new RoiAlign(7, 7, 0.25);
        var (one, two) = OneAndTwo.Threads(() =>
        {
            var output = align.Apply(maps, rois);
            return [output, Autograd.Grad([output.Square().Sum()], [maps])[0]!];
        });
        Near.Identical(one[0], two[0]);
        Near.Identical(one[1], two[1]);
    }

    [Fact]
    public void Without_regions_there_is_nothing_and_the_gradient_is_zero()
    {
        using var scope = Torch.Scope();
        var align = new RoiAlign(7, 5, 0.25);
        foreach (var apply in (Func<Tensor, Tensor, Tensor>[])[align.Apply, align.Plain])
        {
            var maps = Torch.Randn([2, 3, 8, 8]);
            maps.RequiresGrad = true;
            var output = apply(maps, Torch.Zeros([0, 5]));
            Assert.Equal(new Shape(0, 3, 7, 5), output.Shape);
            Assert.Equal(0, Autograd.Grad([output.Sum()], [maps])[0]!.Abs().Max().ToDouble());
        }
    }

    [Fact]
    public void Bytes_give_shares_of_the_set_pixels()
    {
        using var scope = Torch.Scope();
        var mask = Torch.Zeros([1, 1, 8, 8], DType.UInt8);
        mask.Slice(3, 0, 4).Fill_(1);
        var whole = Tensor.From([0f, 0, 0, 8, 8]).Reshape(1, 5);
        foreach (var output in (Tensor[])[new RoiAlign(1, 2, 1).Apply(mask, whole), new RoiAlign(1, 2, 1).Plain(mask, whole)])
        {
            Assert.Equal(DType.Float32, output.DType);
            Near.Values(output, 1e-6, 1, 0);
        }
    }

    [Fact]
    public void Regions_that_are_no_numbers_give_none_and_move_no_pixel()
    {
        using var scope = Torch.Scope();
        var align = new RoiAlign(2, 2, 1);
        var rois = Tensor.From([0f, 0, 0, float.NaN, 3, 0, 0, 0, 4, 4, 0, 0, 0, float.PositiveInfinity, 4]).Reshape(3, 5);
        foreach (var apply in (Func<Tensor, Tensor, Tensor>[])[align.Apply, align.Plain])
        {
            var output = apply(Torch.Ones([1, 1, 4, 4]), rois);
            Assert.All(output[0].ToArray<float>(), value => Assert.True(float.IsNaN(value)));
            Assert.All(output[1].ToArray<float>(), value => Assert.Equal(1, value));
            Assert.All(output[2].ToArray<float>(), value => Assert.True(float.IsNaN(value)));
        }
    }

    [Fact]
    public void What_does_not_fit_is_named()
    {
        using var scope = Torch.Scope();
        var maps = Torch.Zeros([2, 3, 4, 4]);
        var align = new RoiAlign(2, 2, 1);
        foreach (var apply in (Func<Tensor, Tensor, Tensor>[])[align.Apply, align.Plain])
        {
            void Refused<T>(Tensor given, Tensor rois, string words)
                where T : TorchException =>
                Assert.Contains(words, Assert.Throws<T>(() => apply(given, rois)).Message, StringComparison.Ordinal);
            Refused<ShapeException>(maps[0], Torch.Zeros([1, 5]), "the maps have to be [B, C, H, W]");
            Refused<ShapeException>(maps, Torch.Zeros([1, 4]), "the regions have to be [n, 5]");
            Refused<TorchIndexException>(maps, Torch.Full([1, 5], 2), "region 0 is of image 2, there are 2");
            Refused<TorchValueException>(maps, Tensor.From([0f, 0, 0, 3e9f, 4]).Reshape(1, 5), "reaches");
        }
        Assert.Throws<ShapeException>(() => new RoiAlign(0, 2, 1).Apply(maps, Torch.Zeros([1, 5])));
        Assert.Throws<TorchTypeException>(() => align.Apply(maps.To(DType.Int64), Torch.Zeros([1, 5])));
    }
}
