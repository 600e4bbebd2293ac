using Tessera.Deploy;

namespace Tessera.Outside.Tests;

/// <summary>What a test asks of a process of its own, in which nothing has set anything yet.</summary>
internal static class Program
{
    private static void Main(string[] arguments)
    {
        if (arguments is not ["threads"])
            throw new ArgumentException($"the program knows the word threads alone, not {string.Join(' ', arguments)}");
        var another = 0;
        var thread = new Thread(() =>
        {
            using (Torch.Ones([2])) { }
            another = Torch.Threads;
        });
        thread.Start();
        thread.Join();
        using var scope = new Scope();
        var model = new PatchNet(new((8, 8)));
        model.Eval();
        using var compiled = model.Compile();
        Console.WriteLine($"{another} {Torch.Threads} {compiled.Threads}");
    }
}
