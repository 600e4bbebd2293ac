using System.Globalization;
using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// SoT's token embedding: a convolution and max pooling, a stage of dense, residual or inception blocks, and a projection;
/// or plain patches (Xie et al., 2021, arXiv:2104.10935, section 3.4). Images of 112 and of 224 pixels both give 14 x 14 tokens.
/// </summary>
public sealed partial class VisualTokens : Layer
{
    /// <summary>What the stage between stem and projection is made of.</summary>
    public enum Style
    {
        /// <summary>Densely connected layers.</summary>
        Dense,

        /// <summary>Residual bottlenecks.</summary>
        Residual,

        /// <summary>Inception blocks.</summary>
        Inception,

        /// <summary>No stage: one projection of patches.</summary>
        Patches,
    }

    private readonly Layer tokens;
    private readonly Style style;
    private readonly int[] strides;

    /// <summary>An embedding.</summary>
    /// <param name="style">What the stage is made of.</param>
    /// <param name="image">Height and width that it is made for; strides follow from the height.</param>
    /// <param name="channels">Channels of the images.</param>
    /// <param name="dim">Width of the tokens.</param>
    /// <param name="stemDim">Channels of the stem; 64 but for residual blocks.</param>
    /// <param name="large">Keeps four times as many rows and columns.</param>
    public VisualTokens(Style style, (int Height, int Width) image, int channels, int dim, int stemDim = 64, bool large = false)
    {
        this.style = style;
        if (style == Style.Patches)
        {
            var patch = Math.Max(1, image.Height / 14);
            strides = [patch];
            tokens = new PatchEmbed(channels, dim, patch);
            return;
        }
        var third =
            image.Height < 224 ? 1
            : style == Style.Residual ? image.Height / 112
            : 2;
        strides = large ? [2, 1, 1] : [2, 2, third];
        tokens = new ConvTokens(style, channels, dim, stemDim, strides);
    }

    /// <summary>Rows and columns of tokens for an image.</summary>
    /// <exception cref="ShapeException">Patches: the image does not divide into them.</exception>
    public (int Height, int Width) Grid((int Height, int Width) image)
    {
        if (style == Style.Patches && (image.Height % strides[0] != 0 || image.Width % strides[0] != 0))
            throw new ShapeException(
                $"an image of {image.Height} x {image.Width} does not divide into patches of {strides[0]} x {strides[0]}"
            );
        return (After(image.Height), After(image.Width));
    }

    private int After(int size) =>
        style switch
        {
            Style.Patches => size / strides[0],
            // Windows of pooling that are not full are left out; strided convolutions round up.
            Style.Dense => strides.Aggregate((size + 1) / 2, (s, stride) => s / stride),
            _ => strides.Aggregate((size + 1) / 2, (s, stride) => (s + stride - 1) / stride),
        };

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => tokens.Call(input); // [B, C, H, W] -> [B, N, D]

    private sealed partial class ConvTokens : Layer
    {
        private readonly Sequential stem;
        private readonly Sequential stage;
        private readonly Conv2d transition;

        public ConvTokens(Style style, int channels, int dim, int stemDim, int[] strides)
        {
            stem = new Sequential(new Conv2d(channels, stemDim, 3, 1, 1), new MaxPool2d(3, 2, 1));
            stage = style switch
            {
                Style.Dense => new Sequential(
                    new DenseBlock(stemDim),
                    new Transition(stemDim + 96, strides[0]),
                    new DenseBlock(128),
                    new Transition(224, strides[1]),
                    new DenseBlock(128),
                    new Transition(224, strides[2])
                ),
                Style.Residual => new Sequential(
                    new Bottleneck(stemDim, strides[0]),
                    new Bottleneck(256, strides[1]),
                    new Bottleneck(256, strides[2])
                ),
                _ => new Sequential(
                    new InceptionBlock(stemDim, strides[0]),
                    new InceptionBlock(128, strides[1]),
                    new InceptionBlock(128, strides[2])
                ),
            };
            transition = new Conv2d(style == Style.Residual ? 256 : 128, dim, 1);
        }

        protected override Tensor Forward(Tensor input) => transition.Call(stage.Call(stem.Call(input))).Flatten(2).Transpose(1, 2);
    }

    /// <summary>Six layers, each seeing all before it and adding 16 channels.</summary>
    private sealed partial class DenseBlock : Layer
    {
        private readonly DenseLayer[] layers;

        public DenseBlock(int inputs) => layers = [.. Enumerable.Range(0, 6).Select(i => new DenseLayer(inputs + 16 * i))];

        protected override void ListMembers(Members members)
        {
            base.ListMembers(members);
            foreach (var (i, layer) in layers.Index())
                members.Add(string.Create(CultureInfo.InvariantCulture, $"denselayer{i + 1}"), layer);
        }

        protected override Tensor Forward(Tensor input) => layers.Aggregate(input, (x, layer) => Torch.Cat([x, layer.Call(x)], 1));
    }

    private sealed partial class DenseLayer(int inputs) : Layer
    {
        private readonly BatchNorm norm1 = new(inputs);
        private readonly Conv2d conv1 = new(inputs, 32, 1, bias: false);
        private readonly BatchNorm norm2 = new(32);
        private readonly Conv2d conv2 = new(32, 16, 3, 1, 1, bias: false);

        protected override Tensor Forward(Tensor input) => conv2.Call(norm2.Call(conv1.Call(norm1.Call(input).Relu())).Relu());
    }

    /// <summary>Norm and projection to 128 channels, without an activation, then average pooling.</summary>
    private sealed partial class Transition(int inputs, int stride) : Layer
    {
        private readonly BatchNorm norm = new(inputs);
        private readonly Conv2d conv = new(inputs, 128, 1, bias: false);

        protected override Tensor Forward(Tensor input)
        {
            var x = conv.Call(norm.Call(input));
            return stride == 1 ? x : x.AvgPool2d(stride, stride);
        }
    }

    /// <summary>ResNet's bottleneck of 64, 64 and 256 channels.</summary>
    private sealed partial class Bottleneck(int inputs, int stride) : Layer
    {
        private readonly Conv2d conv1 = new(inputs, 64, 1, bias: false);
        private readonly BatchNorm bn1 = new(64, 1e-3, 0.01);
        private readonly Conv2d conv2 = new(64, 64, 3, stride, 1, bias: false);
        private readonly BatchNorm bn2 = new(64, 1e-3, 0.01);
        private readonly Conv2d conv3 = new(64, 256, 1, bias: false);
        private readonly BatchNorm bn3 = new(256, 1e-3, 0.01);
        private readonly Sequential? downsample =
            stride > 1 || inputs != 256 ? new(new Conv2d(inputs, 256, 1, stride, bias: false), new BatchNorm(256)) : null;

        protected override Tensor Forward(Tensor input)
        {
            var x = bn1.Call(conv1.Call(input)).Relu();
            x = bn2.Call(conv2.Call(x)).Relu();
            return (bn3.Call(conv3.Call(x)) + (downsample is null ? input : downsample.Call(input))).Relu();
        }
    }

    /// <summary>Four branches side by side: 32, 64, 16 and 16 channels.</summary>
    private sealed partial class InceptionBlock(int inputs, int stride) : Layer
    {
        private readonly Unit branch0 = new(inputs, 32, 1, stride);
        private readonly Sequential branch1 = new(new Unit(inputs, 32, 1, 1), new Unit(32, 64, 3, stride));
        private readonly Sequential branch2 = new(new Unit(inputs, 16, 1, 1), new Unit(16, 16, 5, stride));
        private readonly Sequential branch3 = new(new MaxPool2d(3, stride, 1), new Unit(inputs, 16, 1, 1));

        protected override Tensor Forward(Tensor input) =>
            Torch.Cat([branch0.Call(input), branch1.Call(input), branch2.Call(input), branch3.Call(input)], 1);
    }

    private sealed partial class Unit(int inputs, int outputs, int kernel, int stride) : Layer
    {
        private readonly Conv2d conv = new(inputs, outputs, kernel, stride, kernel / 2, bias: false);
        private readonly BatchNorm bn = new(outputs, 1e-3);

        protected override Tensor Forward(Tensor input) => bn.Call(conv.Call(input)).Relu();
    }
}
