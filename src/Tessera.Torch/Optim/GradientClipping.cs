namespace Tessera.Optim;

/// <summary>Limits the size of gradients.</summary>
public static class GradientClipping
{
    /// <summary>The first parameter whose gradient has an infinite or NaN entry; null when all entries are finite.</summary>
    public static Parameter? FirstNotFinite(IEnumerable<Parameter> parameters)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var held = parameters.Select(p => (Parameter: p, p.Grad)).Where(p => p.Grad is not null).ToArray();
        if (held.Length == 0)
            return null;
        // One answer for all, and only where it is bad one for each: reading a value waits for the device.
        var finite = Torch.Stack([.. held.Select(p => p.Grad!.Isfinite().All())]);
        if (finite.All().ToInt64() != 0)
            return null;
        return held[Array.IndexOf(finite.ToArray<bool>(), false)].Parameter;
    }

    /// <summary>
    /// Scales all gradients so that their joint Euclidean norm is at most <paramref name="limit"/>, as PyTorch does. If the norm
    /// is not finite, the gradients stay unchanged.
    /// </summary>
    /// <returns>The norm before scaling.</returns>
    public static double ByNorm(IEnumerable<Parameter> parameters, double limit)
    {
        using var scope = new Scope();
        return ByNormOnDevice(parameters, limit)?.ToDouble() ?? 0;
    }

    /// <summary>The same without waiting for the device, for a step that is recorded in a <see cref="CudaGraph"/>.</summary>
    /// <returns>The norm before scaling, a tensor without dimensions; null without any gradient.</returns>
    public static Tensor? ByNormOnDevice(IEnumerable<Parameter> parameters, double limit) =>
        Torch.Scope(() =>
        {
            using var outside = Torch.NoGrad();
            var gradients = parameters.Select(p => p.Grad).OfType<Tensor>().ToArray();
            if (gradients.Length == 0)
                return null;
            var norm = Torch.Stack([.. gradients.Select(g => g.LinalgVectorNorm())]).LinalgVectorNorm();
            var factor = (limit / (norm + 1e-6)).Clamp(max: 1).MaskedFill_(norm.Isfinite().LogicalNot(), 1);
            foreach (var gradient in gradients)
                gradient.Mul_(factor);
            return norm;
        });

    /// <summary>
    /// Scales the gradient of each parameter by itself so that its Euclidean norm is at most <paramref name="limit"/>, as DINO and SiT do.
    /// A gradient whose norm is not finite stays unchanged.
    /// </summary>
    /// <returns>The joint norm before scaling.</returns>
    public static double EachByNorm(IEnumerable<Parameter> parameters, double limit)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var gradients = parameters.Select(p => p.Grad).OfType<Tensor>().ToArray();
        if (gradients.Length == 0)
            return 0;
        var norms = Torch.Stack([.. gradients.Select(g => g.LinalgVectorNorm())]);
        var factors = (limit / (norms + 1e-6)).Clamp(max: 1).MaskedFill_(norms.Isfinite().LogicalNot(), 1);
        foreach (var (i, gradient) in gradients.Index())
            gradient.Mul_(factors[i]);
        return norms.LinalgVectorNorm().ToDouble();
    }

    /// <summary>
    /// Scales the gradient of every unit so that its norm is at most a share of the norm of the unit's weights. A unit is a row of a
    /// linear map, a filter of a convolution, or a whole vector. Brock et al., "High-Performance Large-Scale Image Recognition Without
    /// Normalization", 2021, arXiv:2102.06171, equation 3.
    /// </summary>
    /// <param name="parameters">The weights; weights without a gradient are skipped. The paper leaves the classifier out.</param>
    /// <param name="factor">Largest ratio of a gradient's norm to its weights' norm, above 0: 0.01 to 0.16 in the paper.</param>
    /// <param name="floor">Smallest norm that counts for weights, so that weights that start at zero can move.</param>
    public static void Adaptive(IEnumerable<Parameter> parameters, double factor, double floor = 1e-3)
    {
        using var outside = Torch.NoGrad();
        foreach (var parameter in parameters)
        {
            if (parameter.Grad is not { } gradient)
                continue;
            using var scope = new Scope();
            var limit = NormOfUnits(parameter).Clamp(min: floor) * factor;
            // Equal to 1 where the gradient is short enough, and no number where it has none.
            gradient.Mul_((limit / NormOfUnits(gradient).Clamp(min: 1e-6)).Clamp(max: 1));
        }
    }

    // [outputs, 1, ...] for weights of several dimensions.
    private static Tensor NormOfUnits(Tensor x) =>
        x.Dim <= 1 ? x.LinalgVectorNorm() : x.LinalgVectorNorm(2, [.. Enumerable.Range(1, x.Dim - 1).Select(i => (long)i)], true);

    /// <summary>Limits every entry of every gradient to [-limit, limit].</summary>
    public static void ByValue(IEnumerable<Parameter> parameters, double limit)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        foreach (var parameter in parameters)
            parameter.Grad?.Clamp_(-limit, limit);
    }
}
