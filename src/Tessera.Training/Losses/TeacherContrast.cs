using Tessera.Distributed;

namespace Tessera.Training.Losses;

/// <summary>
/// Each embedding of a student must find that of the same sample's other view among a teacher's: SiT of December 2022, as in MoCo v3 (Chen
/// et al., 2021, arXiv:2104.02057, algorithm 1).
/// </summary>
public static class TeacherContrast
{
    /// <summary>The losses of both directions, added; each is a mean over samples times 2 T.</summary>
    /// <param name="student">Embeddings of both views, each with its graph, [N, D] each.</param>
    /// <param name="teacher">Embeddings of both views of the same samples; no gradient reaches them, [N, D] each.</param>
    /// <param name="temperature">T, above 0.</param>
    /// <param name="group">Processes whose teachers' embeddings are keys, too; null for one.</param>
    public static Tensor Loss(
        (Tensor First, Tensor Second) student,
        (Tensor First, Tensor Second) teacher,
        double temperature,
        ProcessGroup? group = null
    ) =>
        Torch.Scope(() =>
            Direction(student.First, teacher.Second, temperature, group) + Direction(student.Second, teacher.First, temperature, group)
        );

    private static Tensor Direction(Tensor queries, Tensor own, double temperature, ProcessGroup? group)
    {
        var device = queries.Device;
        // Rounded to 16 bits, the right key would drown among thousands of others.
        using var exact = Torch.Autocast(device: device.Type, enabled: false);
        var keys = GatheredRows.Of(UnitRows.Of(own.Detach()), group);
        var logits = UnitRows.Of(queries).Matmul(keys.Rows.MT) / temperature;
        // A process without samples of its own listens with a row that is not among them.
        var right = (Torch.Arange(queries.Size(0), device: device) + keys.First).ClampMax(keys.Rows.Size(0) - 1);
        return logits.CrossEntropyLoss(right) * (2 * temperature);
    }
}
