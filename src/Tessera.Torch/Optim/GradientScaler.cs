namespace Tessera.Optim;

/// <summary>
/// Dynamic loss scaling for training in float16 (Micikevicius et al., 2017, arXiv:1710.03740, section 3.2), with the rules of
/// PyTorch's <c>GradScaler</c>: the loss is multiplied by a scale, so that small gradients do not vanish; a step whose gradients
/// overflow is left out and the scale falls; after enough steps without overflow it rises.
/// </summary>
public sealed class GradientScaler
{
    private readonly double growth;
    private readonly double backoff;
    private readonly long interval;
    private long steps;

    /// <summary>A scaler.</summary>
    /// <param name="initial">Initial scale, above 0.</param>
    /// <param name="growth">Factor by which the scale grows, above 1.</param>
    /// <param name="backoff">Factor by which the scale shrinks after an overflow, in (0, 1).</param>
    /// <param name="interval">Steps without overflow from one rise to the next, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public GradientScaler(double initial = 65536, double growth = 2, double backoff = 0.5, int interval = 2000)
    {
        if (!(initial > 0) || !double.IsFinite(initial))
            throw new ArgumentOutOfRangeException(nameof(initial), initial, "the scale must be above 0");
        if (!(growth > 1))
            throw new ArgumentOutOfRangeException(nameof(growth), growth, "the growth must be above 1");
        if (!(backoff > 0 && backoff < 1))
            throw new ArgumentOutOfRangeException(nameof(backoff), backoff, "the backoff must be between 0 and 1");
        ArgumentOutOfRangeException.ThrowIfLessThan(interval, 1);
        (Scale, this.growth, this.backoff, this.interval) = (initial, growth, backoff, interval);
    }

    /// <summary>The factor of the loss in the backward pass.</summary>
    public double Scale { get; private set; }

    /// <summary>Divides all gradients by the scale; if one of them is not finite, all stay unchanged.</summary>
    /// <returns>Whether all gradients are finite; take no step otherwise.</returns>
    public bool Unscale(IEnumerable<Parameter> parameters)
    {
        Parameter[] all = [.. parameters];
        if (GradientClipping.FirstNotFinite(all) is not null)
            return false;
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        foreach (var parameter in all)
            parameter.Grad?.Mul_(1 / Scale);
        return true;
    }

    /// <summary>Adjusts the scale after a step that was taken or left out.</summary>
    /// <param name="finite">The result of <see cref="Unscale"/>.</param>
    public void Update(bool finite)
    {
        if (!finite)
        {
            (Scale, steps) = (Scale * backoff, 0);
            return;
        }
        if (++steps < interval)
            return;
        steps = 0;
        // The scale is applied in float32, where it must stay finite.
        if (Scale * growth <= float.MaxValue)
            Scale *= growth;
    }

    /// <summary>Scale and steps since its last change, under PyTorch's names.</summary>
    public OrderedDictionary<string, Tensor> StateDict() => new() { ["scale"] = Tensor.Of(Scale), ["_growth_tracker"] = Tensor.Of(steps) };

    /// <summary>Restores the result of <see cref="StateDict"/>.</summary>
    /// <exception cref="ArgumentException">A value is missing, or the scale is invalid.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, Tensor> saved)
    {
        if (!saved.TryGetValue("scale", out var scale) || !saved.TryGetValue("_growth_tracker", out var tracker))
            throw new ArgumentException("the state of a gradient scaler must have 'scale' and '_growth_tracker'", nameof(saved));
        var value = scale.ToDouble();
        if (!(value > 0) || !double.IsFinite(value))
            throw new ArgumentException($"the scale of a gradient scaler must be finite and above 0, not {value}", nameof(saved));
        (Scale, steps) = (value, tracker.ToInt64());
    }
}
