namespace Tessera.Optim;

/// <summary>Limits gradients.</summary>
public static class GradientClipping
{
    /// <summary>Scales all gradients so that their joint Euclidean norm is at most <paramref name="limit"/>, as PyTorch does.</summary>
    /// <returns>The norm before scaling.</returns>
    public static double ByNorm(IEnumerable<Parameter> parameters, double limit)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var gradients = parameters.Select(p => p.Grad).OfType<Tensor>().ToArray();
        if (gradients.Length == 0) return 0;
        var norm = Torch.Stack([.. gradients.Select(g => g.LinalgVectorNorm())]).LinalgVectorNorm();
        var factor = (limit / (norm + 1e-6)).Clamp(max: 1);
        foreach (var gradient in gradients) gradient.Mul_(factor);
        return norm.ToDouble();
    }

    /// <summary>Limits every entry of every gradient to [-limit, limit].</summary>
    public static void ByValue(IEnumerable<Parameter> parameters, double limit)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        foreach (var parameter in parameters) parameter.Grad?.Clamp_(-limit, limit);
    }
}
