namespace Tessera.Nn;

/// <summary>Maximum over windows of [B, C, H, W]; padding is minus infinity.</summary>
public sealed class MaxPool2d(IntList kernel, IntList stride = default, IntList padding = default, bool ceil = false) : Layer
{
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => input.MaxPool2d(kernel, stride.HasValue ? stride : kernel, padding, default, ceil);
}

/// <summary>Average over windows of [B, C, H, W].</summary>
public sealed class AvgPool2d(
    IntList kernel,
    IntList stride = default,
    IntList padding = default,
    bool ceil = false,
    bool countPadding = true
) : Layer
{
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) =>
        input.AvgPool2d(kernel, stride.HasValue ? stride : kernel, padding, ceil, countPadding);
}

/// <summary>Average to a given size: [B, C, H, W] to [B, C, h, w].</summary>
public sealed class AdaptiveAvgPool2d(IntList size) : Layer
{
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => input.AdaptiveAvgPool2d(size.Count == 1 ? (size[0], size[0]) : size);
}

/// <summary>Joins all dimensions from one on: [B, C, H, W] to [B, C H W].</summary>
public sealed class Flatten(long start = 1) : Layer
{
    /// <inheritdoc/>
    protected override Tensor Forward(Tensor input) => input.Flatten(start);
}
