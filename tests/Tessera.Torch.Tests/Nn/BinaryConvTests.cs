using System.Runtime.InteropServices;
using Tessera.Native;
using Tessera.Testing;

namespace Tessera.Tests.Nn;

/// <summary>Packed convolutions of signs against the engine's convolution of the same signs in float32: the same bits.</summary>
public sealed class BinaryConvTests : LiveTensors
{
    // Weights by bits that a plain loop sets: (height, width, channel), the first in the lowest bit.
    private static Tensor Pack(Tensor weights, bool zerosAreNegative = false)
    {
        var (outputs, inputs, height, width) = weights.Shape;
        var values = weights.ToArray<float>();
        var bytes = (inputs * height * width + 7) / 8;
        var packed = new byte[outputs * bytes];
        for (var o = 0; o < outputs; o++)
        for (var c = 0; c < inputs; c++)
        for (var y = 0; y < height; y++)
        for (var x = 0; x < width; x++)
        {
            var value = values[((o * inputs + c) * height + y) * width + x];
            var bit = (y * width + x) * inputs + c;
            if (value < 0 || (value == 0 && zerosAreNegative))
                packed[o * bytes + bit / 8] |= (byte)(1 << (int)(bit % 8));
        }
        return Tensor.From(packed, 1, outputs, bytes);
    }

    private static readonly (int Height, int Width)[] kernels = [(1, 1), (3, 3), (5, 5), (7, 7), (1, 7), (7, 1), (2, 2)];

    // Batch, channels, outputs, groups, height, width.
    private static readonly (int Batch, int Inputs, int Outputs, int Groups, int Height, int Width)[] maps =
    [
        (2, 24, 24, 12, 9, 11),
        (3, 70, 7, 1, 7, 8),
        (1, 192, 10, 2, 7, 7),
        (1, 65, 3, 1, 8, 7),
        (2, 128, 5, 1, 9, 7),
        (17, 3, 4, 1, 7, 9),
    ];

    [Theory]
    [InlineData("plain", "binary_plain")]
    [InlineData("avx2", "binary_avx2")]
    [InlineData("avx512", "binary_avx512")]
    public void Every_set_of_kernels_gives_the_bits_of_the_convolution_of_signs(string kernels, string name)
    {
        if (KernelImports.KernelsUse(kernels) != 0)
            return;
        try
        {
            Dispatcher.Check(KernelImports.BinaryKernelsName(out var pointer));
            var used = Marshal.PtrToStringUTF8(pointer);
            // Where the bits of such wide vectors cannot be counted, narrower ones do.
            Assert.True(used == name || (kernels == "avx512" && used == "binary_avx2"), used);
            CheckAll();
        }
        finally
        {
            Dispatcher.Check(KernelImports.KernelsUse(""));
        }
    }

    private static void CheckAll()
    {
        using var threads = new RestoredThreads();
        using var mode = Torch.NoGrad();
        Torch.Seed(1);
        foreach (var map in maps)
        foreach (var kernel in kernels)
        foreach (var stride in new[] { 1, 2 })
        foreach (var dilation in new[] { 1, 2 })
        foreach (var padded in new[] { true, false })
        {
            var (down, across) = (padded ? kernel.Height / 2 * dilation : 0, padded ? kernel.Width / 2 * dilation : 0);
            if (map.Height + 2 * down <= (kernel.Height - 1) * dilation || map.Width + 2 * across <= (kernel.Width - 1) * dilation)
                continue;
            using var scope = Torch.Scope();
            var x = Torch.Randn([map.Batch, map.Inputs, map.Height, map.Width]);
            // Exact zeros of both signs beside the padding.
            x = padded ? x * Torch.Rand(x.Shape.ToArray()).Gt(0.2).To(DType.Float32) : x;
            // Of very many normal numbers, one is exactly 0.
            var weights = Torch.Rand([map.Outputs, map.Inputs / map.Groups, kernel.Height, kernel.Width]).Lt(0.5).To(DType.Float32) - 0.5;
            var scale = Torch.Randn([map.Outputs]);
            var sums = Torch.Conv2d(x.Sign(), weights.Sign(), null, [stride, stride], [down, across], [dilation, dilation], map.Groups);
            foreach (var count in new[] { 1, 2 })
            {
                Torch.Threads = count;
                Check(sums * scale.Reshape(1, -1, 1, 1), Run(x, Pack(weights), scale));
            }
            Check(sums, Run(x, Pack(weights), null));
            // Weights that are exactly 0 are the mean of two signs.
            var sparse = weights * Torch.Rand(weights.Shape.ToArray()).Gt(0.3).To(DType.Float32);
            Check(
                Torch.Conv2d(x.Sign(), sparse.Sign(), null, [stride, stride], [down, across], [dilation, dilation], map.Groups),
                Run(x, Torch.Cat([Pack(sparse), Pack(sparse, zerosAreNegative: true)]), null)
            );

            void Check(Tensor expected, Tensor actual) =>
                Assert.True(
                    expected.ToBytes().AsSpan().SequenceEqual(actual.ToBytes()),
                    $"{map}, kernel {kernel}, stride {stride}, dilation {dilation}, padded {padded}: off by up to "
                        + $"{(expected - actual).Abs().Max().ToDouble()}, "
                        + $"sums off whole numbers by {(sums - sums.Round()).Abs().Max().ToDouble()}"
                );

            Tensor Run(Tensor input, Tensor packed, Tensor? factors) =>
                Torch.BinaryConv2d(
                    input,
                    packed,
                    factors,
                    [kernel.Height, kernel.Width],
                    [stride, stride],
                    [down, across],
                    [dilation, dilation],
                    map.Groups
                );
        }
    }

    [Fact]
    public void Long_sums_do_not_overflow_the_counters()
    {
        using var scope = Torch.Scope();
        using var mode = Torch.NoGrad();
        // All products are -1: the counters reach their highest numbers.
        var (x, weights) = (Torch.Ones([1, 1100, 7, 7]), -Torch.Ones([3, 1100, 7, 7]));
        foreach (var kernels in new[] { "plain", "" })
        {
            Dispatcher.Check(KernelImports.KernelsUse(kernels));
            Near.Identical(
                Torch.Full([1, 3, 1, 1], -53900, DType.Float32),
                Torch.BinaryConv2d(x, Pack(weights), null, [7, 7], [1, 1], [0, 0], [1, 1], 1)
            );
        }
    }

    [Fact]
    public void Values_that_are_not_finite_count_like_the_engines_signs()
    {
        using var scope = Torch.Scope();
        using var mode = Torch.NoGrad();
        var x = Tensor.From(
            [float.NaN, -float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.Epsilon, -float.Epsilon, -0f, 0f],
            1,
            1,
            1,
            8
        );
        var weights = -Torch.Ones([1, 1, 1, 1]);
        Near.Identical(Torch.Conv2d(x.Sign(), weights), Torch.BinaryConv2d(x, Pack(weights), null, [1, 1], [1, 1], [0, 0], [1, 1], 1));
    }

    [Fact]
    public void Maps_with_channels_together_are_taken_too()
    {
        using var scope = Torch.Scope();
        using var mode = Torch.NoGrad();
        Torch.Seed(2);
        var (x, weights) = (Torch.Randn([2, 20, 5, 6]), Torch.Randn([4, 20, 3, 3]));
        Near.Identical(
            Torch.Conv2d(x.Sign(), weights.Sign(), null, 1, 1),
            Torch.BinaryConv2d(x.Contiguous(MemoryFormat.ChannelsLast), Pack(weights), null, [3, 3], [1, 1], [1, 1], [1, 1], 1)
        );
    }

    [Fact]
    public void An_empty_batch_gives_an_empty_result()
    {
        using var scope = Torch.Scope();
        using var mode = Torch.NoGrad();
        var y = Torch.BinaryConv2d(Torch.Zeros([0, 8, 4, 4]), Pack(Torch.Ones([2, 8, 1, 1])), null, [1, 1], [2, 2], [0, 0], [1, 1], 1);
        Assert.Equal([0, 2, 2, 2], y.Shape);
    }

    [Fact]
    public void What_does_not_fit_is_refused_with_its_shape()
    {
        using var scope = Torch.Scope();
        using var mode = Torch.NoGrad();
        var (x, packed) = (Torch.Zeros([1, 8, 4, 4]), Pack(Torch.Ones([2, 8, 1, 1])));
        Refused<ShapeException>("in float32", () => Run(x.To(DType.Float64), packed));
        Refused<ShapeException>("multiple of 3 groups", () => Run(x, packed, groups: 3));
        Refused<ShapeException>("[1 or 2, a multiple of 1, 9] in uint8", () => Run(x, packed, kernel: 3));
        Refused<ShapeException>("2 numbers in float32", () => Run(x, packed, Torch.Ones([3])));
        Refused<ShapeException>("smaller than the kernel", () => Run(x, Pack(Torch.Ones([2, 8, 5, 5])), kernel: 5));
        Refused<ShapeException>("the stride", () => Run(x, packed, stride: 0));

        static Tensor Run(Tensor x, Tensor packed, Tensor? scale = null, int kernel = 1, int stride = 1, int groups = 1) =>
            Torch.BinaryConv2d(x, packed, scale, [kernel, kernel], [stride, stride], [0, 0], [1, 1], groups);

        static void Refused<T>(string part, Func<Tensor> call)
            where T : Exception => Assert.Contains(part, Assert.Throws<T>(call).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_graph_through_packed_signs_is_refused()
    {
        using var scope = Torch.Scope();
        var x = Torch.Ones([1, 8, 4, 4]);
        x.RequiresGrad = true;
        var packed = Pack(Torch.Ones([2, 8, 1, 1]));
        var error = Assert.ThrowsAny<TorchException>(() => Torch.BinaryConv2d(x, packed, null, [1, 1], [1, 1], [0, 0], [1, 1], 1));
        Assert.Contains("use conv2d of the signs", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Multiply_accumulates_are_counted_as_of_the_convolution()
    {
        using var scope = Torch.Scope();
        using var mode = Torch.NoGrad();
        using var count = new OperationCount();
        Torch.BinaryConv2d(Torch.Zeros([2, 8, 4, 4]), Pack(Torch.Ones([6, 4, 3, 3])), null, [3, 3], [1, 1], [1, 1], [1, 1], 2);
        Assert.Equal(2 * 6 * 16 * 4 * 9, count.WeightMacs);
    }

    private sealed class RestoredThreads : IDisposable
    {
        private readonly int before = Torch.Threads;

        public void Dispose() => Torch.Threads = before;
    }
}
