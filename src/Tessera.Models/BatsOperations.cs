using Tessera.Models.Layers;
using Tessera.Nn;

namespace Tessera.Models;

/// <summary>
/// The operations of BATS's cells, which keep their sense with one bit: grouped convolutions with a real path around them, pooling, and the
/// map as it is. Bulat et al., "BATS: Binary ArchitecTure Search", 2020, arXiv:2003.01711, section 4.1.
/// </summary>
public static class BatsOperations
{
    /// <summary>The operation that changes nothing, or only the size.</summary>
    public const string Skip = "skip_connect";

    /// <summary>The operations that are searched among, in the order of the tables.</summary>
    public static IReadOnlyList<string> Names { get; } =
    ["none", "max_pool_3x3", "avg_pool_3x3", Skip, "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"];

    /// <summary>Those that a cell may have; some of them are not searched among.</summary>
    internal static IReadOnlyList<string> All { get; } = [.. Names, "sep_conv_7x7", "conv_7x1_1x7"];

    /// <summary>An operation.</summary>
    /// <param name="name">One of <see cref="Names"/>, <c>sep_conv_7x7</c> or <c>conv_7x1_1x7</c>.</param>
    /// <param name="channels">Channels of its map, a multiple of the groups and of the groups that are shuffled.</param>
    /// <param name="stride">1, or 2 for half of the map's size.</param>
    /// <param name="style">How convolutions are made.</param>
    /// <exception cref="ArgumentException">There is no such operation, or groups do not divide the channels.</exception>
    public static Layer Create(string name, int channels, int stride, BatsStyle style)
    {
        if (channels % style.Groups != 0 || channels % style.ShuffleGroups != 0)
            throw new ArgumentException(
                $"{channels} channels must be a multiple of {style.Groups} groups and of {style.ShuffleGroups} that are shuffled",
                nameof(channels)
            );
        return name switch
        {
            "none" => new Nothing(stride),
            "max_pool_3x3" => new MaxPool2d(3, stride, 1),
            "avg_pool_3x3" => new AvgPool2d(3, stride, 1, countPadding: false),
            Skip => stride == 1 ? new Identity() : new Halving(channels, channels, style),
            "sep_conv_3x3" => new Grouped(channels, 3, 1, stride, style),
            "sep_conv_5x5" => new Grouped(channels, 5, 1, stride, style),
            "sep_conv_7x7" => new Grouped(channels, 7, 1, stride, style),
            "dil_conv_3x3" => new Grouped(channels, 3, 2, stride, style),
            "dil_conv_5x5" => new Grouped(channels, 5, 2, stride, style),
            "conv_7x1_1x7" => new Strips(channels, stride, style),
            _ => throw new ArgumentException($"'{name}' is no operation of BATS; there are {string.Join(", ", All)}", nameof(name)),
        };
    }

    /// <summary>Brings a map to the channels of a cell: as it is in size, or to half of it.</summary>
    /// <param name="inputs">Channels of the map.</param>
    /// <param name="outputs">Channels of the cell.</param>
    /// <param name="halves">Whether to half of the size.</param>
    /// <param name="style">How convolutions are made.</param>
    internal static Layer Preprocess(int inputs, int outputs, bool halves, BatsStyle style) =>
        halves ? new Halving(inputs, outputs, style) : new Pointwise(inputs, outputs, style);

    // The engine's own shuffle has no derivative in libtorch 1.13.
    private static Tensor Shuffled(Tensor x, int groups)
    {
        var (batch, channels, height, width) = x.Shape;
        return x.Reshape(batch, groups, channels / groups, height, width).Transpose(1, 2).Reshape(batch, channels, height, width);
    }

    private sealed class Nothing(int stride) : Layer
    {
        protected override Tensor Forward(Tensor input) =>
            Torch.Zeros([input.Size(0), input.Size(1), input.Size(2) / stride, input.Size(3) / stride], input.DType, device: input.Device);
    }

    /// <summary>Norm, grouped convolution, rectifier, shuffle; plus the input where the size stays.</summary>
    private sealed class Grouped : Layer
    {
        private readonly BatchNorm norm;
        private readonly BinaryConv2d conv;
        private readonly PRelu act;
        private readonly int stride,
            shuffled;

        internal Grouped(int channels, int kernel, int dilation, int stride, BatsStyle style)
        {
            (this.stride, shuffled) = (stride, style.ShuffleGroups);
            norm = style.Norm(channels);
            conv = style.Conv(channels, channels, kernel, stride, kernel / 2 * dilation, dilation, style.Groups);
            act = new PRelu(channels);
        }

        protected override void ListMembers(Members members)
        {
            members.Add("op.0", norm);
            members.Add("op.1", conv);
            members.Add("op.2", act);
        }

        protected override Tensor Forward(Tensor input)
        {
            var y = Shuffled(act.Call(conv.Call(norm.Call(input))), shuffled);
            return stride == 1 ? y + input : y;
        }
    }

    /// <summary>A row and then a column of seven; plus the input where the size stays.</summary>
    private sealed class Strips : Layer
    {
        private readonly BatchNorm norm1,
            norm2;
        private readonly BinaryConv2d row,
            column;
        private readonly PRelu act1,
            act2;
        private readonly int stride,
            shuffled;

        internal Strips(int channels, int stride, BatsStyle style)
        {
            (this.stride, shuffled) = (stride, style.ShuffleGroups);
            (norm1, norm2) = (style.Norm(channels), style.Norm(channels));
            row = style.Conv(channels, channels, (1, 7), (1, stride), (0, 3), 1, style.Groups);
            column = style.Conv(channels, channels, (7, 1), (stride, 1), (3, 0), 1, style.Groups);
            (act1, act2) = (new PRelu(channels), new PRelu(channels));
        }

        protected override void ListMembers(Members members)
        {
            members.Add("op.0", norm1);
            members.Add("op.1", row);
            members.Add("op.2", act1);
            members.Add("op.3", norm2);
            members.Add("op.4", column);
            members.Add("op.5", act2);
        }

        protected override Tensor Forward(Tensor input)
        {
            var x = act1.Call(row.Call(norm1.Call(input)));
            var y = Shuffled(act2.Call(column.Call(norm2.Call(x))), shuffled);
            return stride == 1 ? y + input : y;
        }
    }

    /// <summary>Norm, convolution of single positions, rectifier; plus the input where the channels stay.</summary>
    private sealed class Pointwise : Layer
    {
        private readonly BatchNorm norm;
        private readonly BinaryConv2d conv;
        private readonly PRelu act;
        private readonly bool skips;

        internal Pointwise(int inputs, int outputs, BatsStyle style)
        {
            skips = inputs == outputs;
            norm = style.Norm(inputs);
            conv = style.Conv(inputs, outputs, 1);
            act = new PRelu(outputs);
        }

        protected override void ListMembers(Members members)
        {
            members.Add("op.0", norm);
            members.Add("op.1", conv);
            members.Add("op.2", act);
        }

        protected override Tensor Forward(Tensor input)
        {
            var y = act.Call(conv.Call(norm.Call(input)));
            return skips ? y + input : y;
        }
    }

    /// <summary>Norm, then every second position and those one row and column further, side by side; rectifier.</summary>
    private sealed class Halving : Layer
    {
        private readonly BatchNorm norm;
        private readonly BinaryConv2d first,
            second;
        private readonly PRelu act;

        internal Halving(int inputs, int outputs, BatsStyle style)
        {
            norm = style.Norm(inputs);
            first = style.Conv(inputs, outputs / 2, 1, 2);
            second = style.Conv(inputs, outputs - outputs / 2, 1, 2);
            act = new PRelu(outputs);
        }

        protected override void ListMembers(Members members)
        {
            members.Add("activation", act);
            members.Add("conv_1.0", first);
            members.Add("conv_2.0", second);
            members.Add("bn", norm);
        }

        protected override Tensor Forward(Tensor input)
        {
            if (input.Size(2) % 2 != 0 || input.Size(3) % 2 != 0)
                throw new ShapeException(
                    $"a map of {input.Size(2)}x{input.Size(3)} cannot be halved: choose images whose sides halve evenly at every reduction"
                );
            var x = norm.Call(input);
            return act.Call(Torch.Cat([first.Call(x), second.Call(x.Slice(2, 1).Slice(3, 1))], 1));
        }
    }
}

/// <summary>How the convolutions of BATS's cells are made.</summary>
/// <param name="Groups">Groups of a convolution's channels that do not mix.</param>
/// <param name="ShuffleGroups">Groups whose channels are interleaved after a convolution.</param>
/// <param name="Binarization">What of a convolution has one bit.</param>
/// <param name="AffineNorms">Whether norms have a scale and a shift; not while searching.</param>
/// <param name="Eps">Of all norms.</param>
public sealed record BatsStyle(
    int Groups = 12,
    int ShuffleGroups = 4,
    Binarization Binarization = Binarization.XnorPlus,
    bool AffineNorms = true,
    double Eps = 1e-5
)
{
    internal BatchNorm Norm(int channels) => new(channels, Eps, affine: AffineNorms);

    internal BinaryConv2d Conv(
        int inputs,
        int outputs,
        IntList kernel,
        IntList stride = default,
        IntList padding = default,
        IntList dilation = default,
        int groups = 1
    ) => new(inputs, outputs, kernel, stride, padding, dilation, groups, Binarization);
}
