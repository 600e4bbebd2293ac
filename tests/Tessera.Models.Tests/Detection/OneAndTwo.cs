namespace Tessera.Tests.Models.Detection;

/// <summary>Runs work on one thread and on two.</summary>
internal static class OneAndTwo
{
    public static (Tensor[] One, Tensor[] Two) Threads(Func<Tensor[]> work)
    {
        var before = Torch.Threads;
        try
        {
            Torch.Threads = 1;
            var one = work();
            Torch.Threads = 2;
            return (one, work());
        }
        finally
        {
            Torch.Threads = before;
        }
    }
}
