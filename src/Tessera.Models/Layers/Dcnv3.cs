using Tessera.Nn;

namespace Tessera.Models.Layers;

/// <summary>
/// A deformable convolution of version 3 whose offsets and modulations are predicted from its own input, [B, H, W, C] to
/// [B, H, W, C] (Wang et al., 2022, arXiv:2211.05778, section 3.1). Taps see <c>offset</c> [B, H, W, groups * P * 2] and
/// <c>modulation</c> [B, H, W, groups * P].
/// </summary>
public sealed partial class Dcnv3 : Layer
{
    private readonly Parameter? centerFeatureScaleProjWeight; // [groups, C]
    private readonly Parameter? centerFeatureScaleProjBias; // [groups]
    private readonly Sequential dwConv; // depthwise convolution, norm, GELU
    private readonly Linear offset;
    private readonly Linear mask;
    private readonly Linear inputProj;
    private readonly Linear outputProj;
    private readonly DeformableSampling sampling;

    /// <summary>A layer that starts as a plain mean over the kernel: offsets zero, modulations equal.</summary>
    /// <param name="channels">C, a multiple of the groups.</param>
    /// <param name="groups">Groups of channels.</param>
    /// <param name="kernel">Side of the kernel, odd.</param>
    /// <param name="depthwiseKernel">Side of the depthwise convolution that the predictions start from; the kernel's when left out.</param>
    /// <param name="offsetScale">Factor of grid and offsets.</param>
    /// <param name="centerFeatureScale">Blends the unsampled features in, by a learned share per group.</param>
    /// <param name="removeCenter">Leaves the middle point out.</param>
    public Dcnv3(
        int channels,
        int groups,
        int kernel = 3,
        int? depthwiseKernel = null,
        double offsetScale = 1,
        bool centerFeatureScale = false,
        bool removeCenter = false
    )
    {
        if (channels % groups != 0)
            throw new ArgumentException($"the {channels} channels must be a multiple of the {groups} groups", nameof(groups));
        var depthwise = depthwiseKernel ?? kernel;
        sampling = Sampling(groups, kernel, offsetScale, removeCenter);
        if (centerFeatureScale)
        {
            centerFeatureScaleProjWeight = Init.Zeros(new Parameter([groups, channels]));
            centerFeatureScaleProjBias = Init.Zeros(new Parameter(groups));
        }
        dwConv = new Sequential(
            new Conv2d(channels, channels, depthwise, padding: (depthwise - 1) / 2, groups: channels),
            new Sequential([("1", new ChannelNorm(channels, 1e-6))]),
            new Gelu()
        );
        offset = Start(new Linear(channels, groups * sampling.Points * 2), w => Init.Zeros(w));
        mask = Start(new Linear(channels, groups * sampling.Points), w => Init.Zeros(w));
        inputProj = Start(new Linear(channels, channels), w => Init.XavierUniform(w));
        outputProj = Start(new Linear(channels, channels), w => Init.XavierUniform(w));
    }

    private static DeformableSampling Sampling(int groups, int kernel, double offsetScale, bool removeCenter) =>
        new(groups, (kernel, kernel), (1, 1), ((kernel - 1) / 2, (kernel - 1) / 2), (1, 1), offsetScale, removeCenter);

    /// <summary>
    /// Where a layer samples for the position in the middle, first that position itself: as shares of width and height, with weights.
    /// </summary>
    /// <param name="offset">As recorded, of one image.</param>
    /// <param name="mask">As recorded.</param>
    /// <param name="groups">As the layer was made.</param>
    /// <param name="kernel">As the layer was made.</param>
    /// <param name="offsetScale">As the layer was made.</param>
    /// <param name="removeCenter">As the layer was made.</param>
    internal static IEnumerable<(double X, double Y, double Weight)> Middle(
        Tensor offset,
        Tensor mask,
        int groups,
        int kernel,
        double offsetScale,
        bool removeCenter
    )
    {
        var sampling = Sampling(groups, kernel, offsetScale, removeCenter);
        var (height, width) = ((int)offset.Size(1), (int)offset.Size(2));
        var (row, column) = (height / 2, width / 2);
        var points = (
            sampling.Grid(height, width, DType.Float64)[row, column]
            + offset[0, row, column].To(DType.Float64).To(Device.Cpu).Reshape(groups, sampling.Points, 2) * offsetScale
        ).ToArray<double>();
        var weights = mask[0, row, column].To(DType.Float64).ToArray<double>();
        // A sample at a whole number lies in the middle of its pixel.
        yield return ((column + 0.5) / width, (row + 0.5) / height, 2);
        for (var i = 0; i < weights.Length; i++)
            yield return ((points[2 * i] + 0.5) / width, (points[2 * i + 1] + 0.5) / height, weights[i]);
    }

    private static Linear Start(Linear linear, Func<Parameter, Tensor> weight)
    {
        weight(linear.Weight);
        Init.Zeros(linear.Bias!);
        return linear;
    }

    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) // [B, H, W, C]
    {
        var (batch, height, width, channels) = input.Shape;
        var projected = inputProj.Call(input);
        var query = dwConv.Call(input.Permute(0, 3, 1, 2)).Permute(0, 2, 3, 1);
        var offsets = offset.Call(query);
        var modulation = mask.Call(query).Reshape(batch, height, width, sampling.Groups, sampling.Points).Softmax(-1);
        var y = sampling.Apply(projected, offsets, Record("modulation", modulation.Reshape(batch, height, width, -1)));
        if (centerFeatureScaleProjWeight is not null)
        {
            var share = Torch
                .Linear(query, centerFeatureScaleProjWeight, centerFeatureScaleProjBias)
                .Sigmoid()
                .RepeatInterleave(channels / sampling.Groups, -1);
            y = y * (1 - share) + projected * share;
        }
        return outputProj.Call(y);
    }
}
