namespace Tessera.Training.Losses;

/// <summary>Which tokens are held against which.</summary>
public enum TokenRelation
{
    /// <summary>Each query with all keys.</summary>
    Qk,

    /// <summary>Each value with all values.</summary>
    Vv,

    /// <summary>Each query with all queries.</summary>
    Qq,

    /// <summary>Each key with all keys.</summary>
    Kk,
}

/// <summary>
/// Relations of tokens within an attention, as a target of distillation (Ren et al., 2023, arXiv:2301.01296, section 3.3).
/// </summary>
public static class TokenRelations
{
    /// <summary>Logarithm of softmax(a b^T / sqrt(d)), [B, h, N, N].</summary>
    /// <param name="a">Tokens of h heads, such as queries, [B, h, N, d].</param>
    /// <param name="b">Tokens that the first ones are related to, such as keys, [B, h, N, d].</param>
    public static Tensor Log(Tensor a, Tensor b) =>
        Torch.Scope(() =>
        {
            var scores = (a / Math.Sqrt(a.Size(-1))).Matmul(b.MT);
            return (scores.DType is DType.BFloat16 or DType.Float16 ? scores.To(DType.Float32) : scores).LogSoftmax(-1);
        });

    /// <summary>Logarithm of one relation of a layer's tokens, [B, h, N, N].</summary>
    /// <param name="qkv">Packed queries, keys and values, [3, B, h, N, d].</param>
    /// <param name="relation">The two of them that are related.</param>
    public static Tensor Log(Tensor qkv, TokenRelation relation) =>
        relation switch
        {
            TokenRelation.Qk => Log(qkv[0], qkv[1]),
            TokenRelation.Vv => Log(qkv[2], qkv[2]),
            TokenRelation.Qq => Log(qkv[0], qkv[0]),
            _ => Log(qkv[1], qkv[1]),
        };

    /// <summary>Divergence of the student's relation from the teacher's: a sum over keys, a mean over batch, heads and queries.</summary>
    /// <param name="student">Log-probabilities, [B, h, N, N].</param>
    /// <param name="teacher">Teacher's log-probabilities, [B, h, N, N]; no gradient flows to them.</param>
    /// <exception cref="ShapeException">The numbers of heads or tokens differ.</exception>
    public static Tensor Loss(Tensor student, Tensor teacher) => Torch.Scope(() => Divergences(student, teacher).Mean());

    /// <summary>Divergence of every sample: a sum over keys, a mean over heads and queries, [B].</summary>
    /// <param name="student">Log-probabilities, [B, h, N, N].</param>
    /// <param name="teacher">Teacher's log-probabilities, [B, h, N, N]; no gradient flows to them.</param>
    /// <exception cref="ShapeException">The numbers of heads or tokens differ.</exception>
    public static Tensor LossPerSample(Tensor student, Tensor teacher) => Torch.Scope(() => Divergences(student, teacher).Mean([1, 2]));

    private static Tensor Divergences(Tensor student, Tensor teacher) // [B, h, N]
    {
        if (student.Shape != teacher.Shape)
            throw new ShapeException(
                $"student and teacher must have the same heads and tokens, not {student.Size(1)} heads and {student.Size(2)} tokens "
                    + $"beside {teacher.Size(1)} heads and {teacher.Size(2)} tokens"
            );
        var theirs = teacher.Detach();
        return (theirs.Exp() * (theirs - student)).Sum(-1);
    }
}
